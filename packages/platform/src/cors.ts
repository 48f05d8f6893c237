import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { methods } from './http-errors.ts'
import { requestIdHeader } from './request-context.ts'

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
export const answerOrigins = async (app: FastifyInstance, origins: Origins): Promise<void> => {
  if (origins === 'off') return
  const anybody = origins === '*'
  app.addHook('onRoute', (route) => {
    // The plugin would find out anew for each request what is the same for all.
    if (anybody && route.method !== 'OPTIONS') route.config = Object.assign({}, route.config, { cors: false })
  })
  await app.register(cors, {
    origin: anybody ? '*' : origins.split(','),
    methods,
    // Otherwise an OPTIONS that is no preflight gets a 400 in plain text.
    strictPreflight: false,
    exposedHeaders,
  })
}
