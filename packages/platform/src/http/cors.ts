import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { requestIdHeader } from '../request-context.ts'
import { methods } from './methods.ts'

const exposedHeaders = ['ETag', 'Location', 'Retry-After', requestIdHeader].join(', ')

/** The origins whose pages may read responses: `*`, `off` (no CORS headers), or comma-separated origins. */
export type Origins = string

/** The CORS headers of every response if pages of all origins may read it. Otherwise there are none. */
export const corsHeaders = (origins: Origins): Readonly<Record<string, string>> =>
  origins === '*'
    ? { 'access-control-allow-origin': '*', 'access-control-expose-headers': exposedHeaders }
    : {}

/**
 * Answers CORS preflight requests. If only certain origins are allowed, it also sets the CORS headers of
 * every response, because they depend on the request.
 */
export const registerCors = async (app: FastifyInstance, origins: Origins): Promise<void> => {
  if (origins === 'off') return
  const options = {
    methods,
    // Otherwise an OPTIONS request that is not a preflight gets a 400 in plain text.
    strictPreflight: false,
    exposedHeaders,
  }
  if (origins !== '*') await app.register(cors, { ...options, origin: origins.split(',') })
  // In a scope without routes, the plugin handles only preflights and adds no work to other requests.
  else await app.register((scope) => scope.register(cors, options))
}
