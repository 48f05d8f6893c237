import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { methods } from './http-errors.ts'
import { requestIdHeader } from './request-context.ts'

const exposedHeaders = ['ETag', 'Location', 'Retry-After', requestIdHeader].join(', ')

/** What every answer says when pages of any origin may read it. */
export const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': exposedHeaders,
}

/** Answers the question that browsers ask before a request: whether a page of another origin may send it. */
export const answerPreflights = async (app: FastifyInstance): Promise<void> => {
  app.addHook('onRoute', (route) => {
    // The plugin would find out anew for each request what is the same for all.
    if (route.method !== 'OPTIONS') route.config = Object.assign({}, route.config, { cors: false })
  })
  await app.register(cors, {
    methods,
    // Otherwise an OPTIONS that is no preflight gets a 400 in plain text.
    strictPreflight: false,
    exposedHeaders,
  })
}
