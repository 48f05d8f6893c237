import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import { sendStatus } from './errors.ts'
import { isOperational } from './operation-routes.ts'

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
  const sampling = setInterval(() => {
    overloaded = app.memoryUsage().eventLoopDelay > maxDelayMs
  }, sampleIntervalMs).unref()
  app.addHook('onClose', async () => clearInterval(sampling))
  app.addHook('onRequest', (request, reply, done) => {
    if (overloaded && !isOperational(request.routeOptions.url)) void sendStatus(503, request, reply)
    else done()
  })
  return () => overloaded
}
