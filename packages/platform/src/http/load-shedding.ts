import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import { every } from '../resilience/every.ts'
import { sendStatus } from './errors.ts'
import { isOperational } from './operations/operation-routes.ts'

const sampleIntervalMs = 500

/**
 * Rejects requests with 503 while the event loop delay, averaged over half a second, exceeds `maxDelayMs`:
 * accepting them would only delay all the others. The routes for operators are always served. A `maxDelayMs`
 * of 0 disables load shedding. Resolves with a function that returns whether requests are being rejected.
 */
export const shedLoad = async (app: FastifyInstance, maxDelayMs: number): Promise<() => boolean> => {
  if (maxDelayMs === 0) return () => false
  // The plugin only measures: its own limits would look up the route of every request.
  await app.register(underPressure, { sampleInterval: sampleIntervalMs })
  let overloaded = false
  const closing = new AbortController()
  const sample = () => {
    overloaded = app.memoryUsage().eventLoopDelay > maxDelayMs
  }
  void every(sampleIntervalMs, sample, closing.signal)
  app.addHook('onClose', async () => closing.abort())
  app.addHook('onRequest', (request, reply, done) => {
    if (overloaded && !isOperational(request.routeOptions.url)) void sendStatus(503, request, reply)
    else done()
  })
  return () => overloaded
}
