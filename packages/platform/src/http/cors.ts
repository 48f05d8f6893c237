import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { requestIdHeader } from '../request-context.ts'
import { methods } from './methods.ts'

const exposedHeaders = ['ETag', 'Location', 'Retry-After', requestIdHeader].join(', ')

/** Whose pages may read answers: `*` for anybody's, `off` for nobody's, or origins with commas between. */
export type Origins = string

/** What every answer says when pages of any origin may read it. */
export const corsHeaders = (origins: Origins): Readonly<Record<string, string>> =>
  origins === '*'
    ? { 'access-control-allow-origin': '*', 'access-control-expose-headers': exposedHeaders }
    : {}

/**
 * Answers the question that browsers ask before a request: whether a page of another origin may send it; and says in
 * every answer who may read it, when that depends on who asks.
 */
export const registerCors = async (app: FastifyInstance, origins: Origins): Promise<void> => {
  if (origins === 'off') return
  const options = {
    methods,
    // Otherwise an OPTIONS that is no preflight gets a 400 in plain text.
    strictPreflight: false,
    exposedHeaders,
  }
  if (origins !== '*') await app.register(cors, { ...options, origin: origins.split(',') })
  // In a scope of its own: it would find out anew for every request what is the same for all.
  else await app.register((scope) => scope.register(cors, options))
}
