import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { every, pause } from '../resilience/every.ts'
import { sendStatus } from './errors.ts'
import { isOperational } from './operations/is-operational.ts'

const sampleIntervalMs = 500

/** The histogram measures how long a timer of this many milliseconds takes. */
const resolutionMs = 10

/**
 * Rejects requests with 503 while the event loop delay, averaged over half a second, exceeds `maxDelayMs`:
 * accepting them would only delay all the others. The routes for operators are always served. A `maxDelayMs`
 * of 0 disables load shedding. Returns a function that returns whether requests are being rejected.
 */
export const shedLoad = (app: FastifyInstance, maxDelayMs: number): (() => boolean) => {
  if (maxDelayMs === 0) return () => false
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  let overloaded = false
  let sampleTime = 0
  const closing = new AbortController()
  const sample = () => {
    const now = performance.now()
    // Without a value, the event loop was blocked since the last sample.
    const delayMs = histogram.count === 0 ? now - sampleTime : histogram.mean / 1e6 - resolutionMs
    overloaded = delayMs > maxDelayMs
    sampleTime = now
    histogram.reset()
  }
  // The delay of the start itself does not count.
  app.addHook('onReady', async () => {
    histogram.enable()
    sampleTime = performance.now()
    void pause(sampleIntervalMs, closing.signal).then(() => every(sampleIntervalMs, sample, closing.signal))
  })
  app.addHook('onClose', async () => {
    closing.abort()
    histogram.disable()
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (overloaded && !isOperational(request.routeOptions.url)) void sendStatus(503, request, reply)
    else done()
  })
  return () => overloaded
}
