import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from '@shop/testing/services/http.ts'
import type { RunningService } from '@shop/testing/services/services.ts'

const hexOf = (address: string): string =>
  address
    .split('.')
    .toReversed()
    .map((part) => Number(part).toString(16).padStart(2, '0').toUpperCase())
    .join('')

/**
 * The number of established connections at this port of the server whose peer has this address. Counted at the server's
 * end, because a client that does not read does not notice that its connection is closed.
 */
export const connectionsOf = (address: string, port: number): number => {
  const peer = new RegExp(`(^|0000FFFF0*|:)${hexOf(address)}:`)
  const local = `:${port.toString(16).padStart(4, '0').toUpperCase()}`
  return ['tcp', 'tcp6']
    .flatMap((file) => readFileSync(`/proc/net/${file}`, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, own = '', other = '', state]) => own.endsWith(local) && peer.test(other) && state === '01')
    .length
}

const statusOf = ({ process }: RunningService): string => readFileSync(`/proc/${process.pid}/status`, 'utf8')

/** Lets `peakMebibytes` forget what was before. */
export const forgetPeak = ({ process }: RunningService): void =>
  writeFileSync(`/proc/${process.pid}/clear_refs`, '5')

/** The most resident memory since `forgetPeak`. Infinite for a process that has ended. */
export const peakMebibytes = (service: RunningService): number => {
  if (service.process.exitCode !== null || service.process.signalCode !== null)
    return Number.POSITIVE_INFINITY
  return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(statusOf(service))?.[1]) / 1_024)
}

const metricsOf = async ({ url }: RunningService): Promise<string> =>
  (await request('GET', `${url}/metrics`)).body

/** The sum of the series of this name whose labels contain the text. */
const sumOf = (metrics: string, name: string, label = ''): number =>
  metrics
    .split('\n')
    .filter((line) => line.startsWith(name) && /[{ ]/.test(line[name.length] ?? '') && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)

/** The number of statements, and of Redis operations, that the service has run. */
const operations = async (service: RunningService): Promise<number> =>
  sumOf(await metricsOf(service), 'db_client_operation_duration_seconds_count')

/** The CPU time that the process has used, in microseconds. */
export const cpuMicrosecondsOf = async (service: RunningService): Promise<number> =>
  sumOf(await metricsOf(service), 'process_cpu_seconds_total') * 1_000_000

/** Runs `work`, waits until the service is idle, and resolves with the number of statements that this took. */
export const statementsDuring = async (
  service: RunningService,
  work: () => Promise<unknown>,
): Promise<number> => {
  const first = await operations(service)
  const start = await operations(service)
  const ofScrape = start - first
  await work()
  let count = start
  const deadline = performance.now() + 60_000
  for (let scrapes = 1; performance.now() < deadline; scrapes++) {
    await delay(100)
    const now = await operations(service)
    // An idle service runs no statements but those of the scrape.
    if (now - count <= ofScrape) return now - start - scrapes * ofScrape
    count = now
  }
  throw new Error('the service was still busy after 60 s')
}

/** The bytes of responses that the service holds because its clients do not take them. */
export const unreadBytes = async (service: RunningService): Promise<number> =>
  sumOf(await metricsOf(service), 'unread_response_bytes')

/** The requests, calls and connections that a limit has refused, by reason. */
export const refusalsOf = async (service: RunningService): Promise<Readonly<Record<string, number>>> => {
  const metrics = await metricsOf(service)
  const reasons = new Set(
    [...metrics.matchAll(/^requests_refused_total\{.*reason="(\w+)"/gm)].map(([, reason = '']) => reason),
  )
  return Object.fromEntries(
    [...reasons].map((reason) => [reason, sumOf(metrics, 'requests_refused_total', `reason="${reason}"`)]),
  )
}
