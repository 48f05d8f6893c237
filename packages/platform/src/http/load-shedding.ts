import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import { isOperational } from '../health/operation-routes.ts'
import { every } from '../resilience/every.ts'
import { sendStatus } from './errors.ts'

const sampleIntervalMs = 500

/**
 * While the event loop is later than so many milliseconds, on average of half a second, requests are answered 503 at
 * once, but for those of operators: each that is begun would only make all the others later. 0 is no limit.
 * Resolves with a function that tells whether that is so now.
 */
export const shedLoad = async (app: FastifyInstance, maxDelayMs: number): Promise<() => boolean> => {
  if (maxDelayMs === 0) return () => false
  // It only measures: its own limits look every request's route up.
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
