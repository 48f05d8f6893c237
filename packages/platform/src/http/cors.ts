import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { requestIdHeader } from '../request-context.ts'
import { methods } from './methods.ts'

const exposedHeaders = [
  'ETag',
  'Idempotent-Replayed',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  requestIdHeader,
].join(', ')

/** How long a browser may keep the answer to a preflight request. */
const preflightMaxAgeSeconds = 600

const options = {
  methods,
  maxAge: preflightMaxAgeSeconds,
  // The routes for OPTIONS respond, with `Allow`.
  preflightContinue: true,
  // Otherwise an OPTIONS request that is not a preflight gets a 400 in plain text.
  strictPreflight: false,
  exposedHeaders,
}

/** The origins whose pages may read responses: `*`, `off` (no CORS headers), or comma-separated origins. */
export type Origins = string

/** The CORS headers of every response if pages of all origins may read it. Otherwise there are none. */
export const corsHeaders = (origins: Origins): Readonly<Record<string, string>> =>
  origins === '*'
    ? { 'access-control-allow-origin': '*', 'access-control-expose-headers': exposedHeaders }
    : {}

/** If only certain origins are allowed, sets the CORS headers of every response: they depend on the request. */
export const registerCors = async (app: FastifyInstance, origins: Origins): Promise<void> => {
  if (origins !== '*' && origins !== 'off')
    await app.register(cors, { ...options, origin: origins.split(',') })
}

/** Registers the routes for OPTIONS, whose responses have the headers of an answered preflight request. */
export const registerPreflights = async (
  app: FastifyInstance,
  origins: Origins,
  addRoutes: (scope: FastifyInstance) => void,
): Promise<void> => {
  await app.register(async (scope) => {
    // Only in this scope: in others, the plugin would add work to every request.
    if (origins === '*') await scope.register(cors, options)
    addRoutes(scope)
  })
}
