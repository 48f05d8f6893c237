/**
 * Generates HTTP load in a child process: receives the load from the parent and sends the outcome back. The
 * model is open with `rate`: requests are sent at the times of a Poisson process, and their duration counts from
 * then, so that it includes the time in which they wait for a connection. Otherwise the model is closed: each of
 * the connections sends a request when the one before is answered.
 */

import { once } from 'node:events'
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { arrivalTimes } from './arrivals.ts'
import { type HttpRequest, headersOf, type Outcome } from './http-load.ts'

export type DriverLoad = Readonly<{
  /** Sent in this order, over and over. */
  requests: readonly (HttpRequest & Readonly<{ url: string }>)[]
  /** Connections to each server. */
  connections: number
  seconds: number
  /** Arrivals per second. */
  rate?: number
}>

/** Arrivals beyond this number of unanswered requests are not sent, and count as failed. */
const maxInFlight = 4_096
const timeoutMs = 10_000
/** An open load opens its connections in this time, which does not count. */
const warmUpMs = 1_000

const createClient = ({ requests, connections }: DriverLoad) => {
  const pools = new Map<string, Pool>()
  for (const { url } of requests)
    if (!pools.has(url))
      pools.set(url, new Pool(url, { connections, headersTimeout: timeoutMs, bodyTimeout: timeoutMs }))
  const prepared = requests.map(({ url, ...request }) => ({
    pool: pools.get(url),
    options: {
      method: request.method,
      path: request.path,
      headers: headersOf(request),
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
    },
  }))
  let sent = 0
  const send = (done: (succeeded: boolean) => void): void => {
    const { pool, options } = prepared[sent++ % prepared.length] ?? {}
    let status = 0
    if (pool === undefined || options === undefined) return done(false)
    pool.dispatch(options, {
      onRequestStart: () => {},
      onResponseStart: (_controller, code) => {
        status = code
      },
      onResponseData: () => {},
      onResponseEnd: () => done(status < 400),
      onResponseError: () => done(false),
    })
  }
  const close = () => Promise.all([...pools.values()].map((pool) => pool.destroy()))
  return { send, close }
}

const createRecorder = () => {
  const durations = createHistogram()
  const counts = { requests: 0, succeeded: 0, failed: 0 }
  const record = (startTime: number, succeeded: boolean): void => {
    durations.record(Math.max(1, Math.round((performance.now() - startTime) * 1_000)))
    counts[succeeded ? 'succeeded' : 'failed'] += 1
  }
  const outcome = (seconds: number): Outcome => {
    const percentile = (part: number) => durations.percentile(part) / 1_000
    return {
      requests: counts.requests,
      rate: counts.succeeded / seconds,
      failed: counts.failed,
      p50: percentile(50),
      p99: percentile(99),
      p999: percentile(99.9),
    }
  }
  return { counts, record, outcome }
}

type Send = ReturnType<typeof createClient>['send']

const driveClosed = async (send: Send, { connections, seconds }: DriverLoad): Promise<Outcome> => {
  const { counts, record, outcome } = createRecorder()
  const startTime = performance.now()
  const sendRepeatedly = (done: () => void): void => {
    const sentTime = performance.now()
    if (sentTime - startTime > seconds * 1_000) return done()
    send((succeeded) => {
      counts.requests += 1
      record(sentTime, succeeded)
      sendRepeatedly(done)
    })
  }
  await Promise.all(Array.from({ length: connections }, () => new Promise<void>(sendRepeatedly)))
  return outcome((performance.now() - startTime) / 1_000)
}

const driveOpen = async (send: Send, seconds: number, rate: number): Promise<Outcome> => {
  const { counts, record, outcome } = createRecorder()
  const arrivals = arrivalTimes(rate)
  const startTime = performance.now()
  const waiting = { count: 0 }
  const arrive = (time: number): void => {
    const counted = time > warmUpMs
    if (waiting.count >= maxInFlight) {
      if (counted) counts.failed += 1
      return
    }
    waiting.count += 1
    send((succeeded) => {
      waiting.count -= 1
      counts.requests += 1
      if (counted) record(startTime + time, succeeded)
    })
  }
  const end = warmUpMs + seconds * 1_000
  for (let next = arrivals.next().value; next < end; await delay(1))
    for (const now = performance.now() - startTime; next <= now && next < end; next = arrivals.next().value)
      arrive(next)
  while (waiting.count > 0) await delay(1)
  return outcome(seconds)
}

if (process.argv[1] === import.meta.filename && process.send !== undefined) {
  const [load] = (await once(process, 'message')) as [DriverLoad]
  const { send, close } = createClient(load)
  const { rate, seconds } = load
  process.send(await (rate === undefined ? driveClosed(send, load) : driveOpen(send, seconds, rate)))
  await close()
  process.disconnect?.()
}
