/**
 * What recording metrics costs. One process of this file, started with `serve`, has the product service twice, with and
 * without it; they are asked in turns, a few hundred requests at a time, so that what else the machine does befalls both.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMetrics, type Metrics } from '@shop/platform/metrics/metrics.ts'
import { singleProcess } from '@shop/platform/process/host.ts'
import { run, untilStopped } from '@shop/platform/process/lifecycle.ts'
import { openForMigration } from '@shop/postgres/database.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { ownDatabase, postgresConfig } from '@shop/testing/stores/postgres.ts'
import { createApp, version } from '../services/product/src/app.ts'
import { readConfig, service } from '../services/product/src/config.ts'
import { openAdapters } from '../services/product/src/infrastructure/adapters.ts'
import { migrations } from '../services/product/src/infrastructure/migrations.ts'
import type { Tables } from '../services/product/src/infrastructure/products-table.ts'
import { seedGenerated } from '../services/product/src/infrastructure/seed.ts'
import { unlessInterrupted } from './support/interrupt.ts'

const rounds = { warmUp: 20, measured: 200 }
const requestsPerTurn = 400
const connections = 8

/** Metrics in which nothing is recorded. */
const deafMetrics = (): Metrics => {
  const metrics = createMetrics(service, version)
  const { httpRequestDuration, rpcServerDuration, rpcClientDuration, dbOperationDuration, useCaseDuration } =
    metrics
  for (const duration of [
    httpRequestDuration,
    rpcServerDuration,
    rpcClientDuration,
    dbOperationDuration,
    useCaseDuration,
  ])
    duration.observe = () => {}
  Object.assign(metrics.httpActiveRequests, { inc: () => {}, dec: () => {} })
  return metrics
}

const open = async (recording: boolean) => {
  const stack = new AsyncDisposableStack()
  const metrics = recording ? createMetrics(service, version) : deafMetrics()
  const config = readConfig(process.env)
  const adapters = stack.use(
    await openAdapters({ config, logger: silentLogger, ...(recording && { metrics }) }),
  )
  const app = stack.use(await createApp(adapters, silentLogger, metrics))
  await app.http.listen({ host: '127.0.0.1', port: await freePort() })
  const { port } = app.http.server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Both services; the parent is told their ports, and what processor time the process has taken whenever it asks. */
const serve = async (): Promise<void> => {
  await using recording = await open(true)
  await using deaf = await open(false)
  process.on('message', () => void process.send?.(process.cpuUsage()))
  process.send?.([recording.port, deaf.port])
  await untilStopped(silentLogger, { delayMs: 0 }, singleProcess, () => {})
  process.disconnect?.()
}

const startBoth = async (DATABASE_URL: string) => {
  const child = fork(import.meta.filename, ['serve'], { env: { PATH: process.env['PATH'], DATABASE_URL } })
  const exited = once(child, 'exit')
  const [ports] = (await once(child, 'message')) as [[recording: number, deaf: number]]
  const [recording, deaf] = ports.map((port) => `http://127.0.0.1:${port}/products/1`)
  if (recording === undefined || deaf === undefined) throw new Error('a service has no port')
  return {
    child,
    recording,
    deaf,
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await exited
    },
  }
}

/** In microseconds. */
const processorTime = async (child: ChildProcess): Promise<number> => {
  const answered = once(child, 'message')
  child.send('?')
  const [{ user, system }] = (await answered) as [NodeJS.CpuUsage]
  return user + system
}

const agent = new Agent({ keepAlive: true, maxSockets: connections })

const ask = (url: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`))
      response.resume().once('end', resolve)
    })
    request.once('error', reject)
  })

const askInTurn = async (url: string): Promise<void> => {
  for (let asked = 0; asked < requestsPerTurn / connections; asked++) await ask(url)
}

/** What the requests of one turn take: of the clock, and of the service's processor. */
const measure = async (child: ChildProcess, url: string) => {
  const [begun, before] = [performance.now(), await processorTime(child)]
  await Promise.all(Array.from({ length: connections }, () => askInTurn(url)))
  return { clock: performance.now() - begun, processor: (await processorTime(child)) - before }
}

const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.round(part * (values.length - 1))] ?? Number.NaN

/** The median of ratios to 1, and the range that has the true one 95 times in 100. */
const inPercent = (ratios: readonly number[]): string => {
  const spread = 0.98 / Math.sqrt(ratios.length)
  const [at, low, high] = [0.5, 0.5 - spread, 0.5 + spread].map((part) =>
    ((quantile(ratios, part) - 1) * 100).toFixed(1),
  )
  return `${at} % (${low} to ${high})`
}

const compare = async (url: string): Promise<void> => {
  await using services = await startBoth(url)
  const { child, recording, deaf } = services
  const processor: number[] = []
  const clock: number[] = []
  const perRequest: number[] = []
  for (let round = -rounds.warmUp; round < rounds.measured; round++) {
    unlessInterrupted()
    // Each is the first one in every other round.
    const urls = round % 2 === 0 ? [recording, deaf] : [deaf, recording]
    const turns = new Map<string, Awaited<ReturnType<typeof measure>>>()
    for (const one of urls) turns.set(one, await measure(child, one))
    const [with_, without] = [turns.get(recording), turns.get(deaf)]
    if (round < 0 || !with_ || !without) continue
    processor.push(with_.processor / without.processor)
    clock.push(with_.clock / without.clock)
    perRequest.push(without.processor / requestsPerTurn)
  }
  process.stdout.write(
    `Recording metrics adds to a GET of a product, median (95 % confidence) of ${rounds.measured} rounds:\n` +
      `processor    ${inPercent(processor)} of ${quantile(perRequest, 0.5).toFixed(0)} µs\n` +
      `clock        ${inPercent(clock)}\n`,
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

await run(process.argv[2] === 'serve' ? serve : main)
