/**
 * Measures the cost of recording metrics. A child process runs the product service
 * twice: with and without recording. Requests go to the two alternately, a few hundred at a time, so that
 * other load on the machine affects both alike.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { run } from '@shop/platform/process/lifecycle.ts'
import { openForMigration } from '@shop/postgres/database.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase, postgresConfig } from '@shop/testing/stores/postgres.ts'
import { seedGenerated } from '../services/product/src/infrastructure/generated-products.ts'
import { migrations } from '../services/product/src/infrastructure/migrations.ts'
import type { Tables } from '../services/product/src/infrastructure/products-table.ts'
import { throwIfInterrupted } from './support/interrupt.ts'

const rounds = { warmUp: 20, measured: 200 }
const requestsPerMeasurement = 400
const connections = 8

const startBoth = async (DATABASE_URL: string) => {
  const child = fork(join(import.meta.dirname, 'support/overhead-services.ts'), {
    env: { PATH: process.env['PATH'], DATABASE_URL },
  })
  const exited = once(child, 'exit')
  const [ports] = (await once(child, 'message')) as [[recording: number, noop: number]]
  const [recording, noop] = ports.map((port) => `http://127.0.0.1:${port}/products/1`)
  if (recording === undefined || noop === undefined) throw new Error('a service has no port')
  return {
    child,
    recording,
    noop,
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await exited
    },
  }
}

/** The CPU time that the child has used, in microseconds. */
const processorTime = async (child: ChildProcess): Promise<number> => {
  const response = once(child, 'message')
  child.send('usage')
  const [{ user, system }] = (await response) as [NodeJS.CpuUsage]
  return user + system
}

const agent = new Agent({ keepAlive: true, maxSockets: connections })

const sendRequest = (url: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} responded with ${response.statusCode}`))
      response.resume().once('end', resolve)
    })
    request.once('error', reject)
  })

const sendShareOfRequests = async (url: string): Promise<void> => {
  for (let sent = 0; sent < requestsPerMeasurement / connections; sent++) await sendRequest(url)
}

/**
 * Sends the requests of one measurement. Returns the elapsed time in ms and the CPU time of the child in µs.
 */
const measure = async (child: ChildProcess, url: string) => {
  const [startTime, before] = [performance.now(), await processorTime(child)]
  await Promise.all(Array.from({ length: connections }, () => sendShareOfRequests(url)))
  return { clock: performance.now() - startTime, processor: (await processorTime(child)) - before }
}

const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.round(part * (values.length - 1))] ?? Number.NaN

/** The median of the ratios, as a difference from 1 in percent, with its 95 % confidence interval. */
const inPercent = (ratios: readonly number[]): string => {
  const spread = 0.98 / Math.sqrt(ratios.length)
  const [median, low, high] = [0.5, 0.5 - spread, 0.5 + spread].map((part) =>
    ((quantile(ratios, part) - 1) * 100).toFixed(1),
  )
  return `${median} % (${low} to ${high})`
}

const compare = async (url: string): Promise<void> => {
  await using services = await startBoth(url)
  const { child, recording, noop } = services
  const processor: number[] = []
  const clock: number[] = []
  const perRequest: number[] = []
  for (let round = -rounds.warmUp; round < rounds.measured; round++) {
    throwIfInterrupted()
    // The services alternate in being measured first.
    const urls = round % 2 === 0 ? [recording, noop] : [noop, recording]
    const measurements = new Map<string, Awaited<ReturnType<typeof measure>>>()
    for (const target of urls) measurements.set(target, await measure(child, target))
    const [recorded, unrecorded] = [measurements.get(recording), measurements.get(noop)]
    if (round < 0 || !recorded || !unrecorded) continue
    processor.push(recorded.processor / unrecorded.processor)
    clock.push(recorded.clock / unrecorded.clock)
    perRequest.push(unrecorded.processor / requestsPerMeasurement)
  }
  process.stdout.write(
    `Cost of recording metrics for a GET of a product: median of ${rounds.measured} rounds (95 % confidence interval)\n` +
      `CPU time     ${inPercent(processor)} of ${quantile(perRequest, 0.5).toFixed(0)} µs\n` +
      `elapsed time ${inPercent(clock)}\n`,
  )
}

const main = async (): Promise<void> => {
  await using database = await ownDatabase()
  {
    await using connection = openForMigration<Tables>(postgresConfig(database.url), silentLogger)
    await migrations.apply(connection)
    await seedGenerated(connection, { count: 1_000, seed: 1, onProgress: () => {} })
  }
  await compare(database.url)
}

await run(main)
