import type { Context } from '@shop/kernel/context.ts'
import { invalid } from '@shop/kernel/errors.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { KeyedContext } from '../idempotency/keyed-context.ts'
import { canonicalJson, fingerprintOfTexts, keyIn, keyRule, shortHash } from '../idempotency/keys.ts'
import { contextOf } from './context.ts'
import { countHeaders } from './edge/request-head.ts'
import { routeOf } from './edge/route.ts'
import { sentBodyOf } from './json/sent-bodies.ts'

const header = 'Idempotency-Key'

const keyOf = (request: FastifyRequest, sent: string): string => {
  const key = keyIn(sent)
  if (key === undefined) throw invalid({ path: `/${header}`, message: keyRule })
  // Node.js joins headers of the same name by commas: several bare keys would look like one.
  if (key.includes(',') && countHeaders(request.raw, 'idempotency-key') > 1)
    throw invalid({ path: `/${header}`, message: 'must be sent once' })
  return key
}

/** The same for the same method, route, parameters of the path, and parsed body as it was sent. */
const fingerprintOfRequest = (request: FastifyRequest): string =>
  fingerprintOfTexts(
    `${request.method} ${routeOf(request).url}`,
    canonicalJson(request.params),
    sentBodyOf(request),
  )

/**
 * Returns the context for use cases that take an idempotency key (docs/retries.md): with the key in `Idempotency-Key`, if there is
 * one. Throws `invalid` if it is malformed. The response of a request that only repeats an earlier one gets
 * `Idempotent-Replayed: true`.
 */
export const keyedContextOf = (request: FastifyRequest, reply: FastifyReply): Context => {
  const context = contextOf(request)
  const sent = request.headers['idempotency-key']
  if (sent === undefined) return context
  return new KeyedContext(context, {
    key: shortHash(keyOf(request, String(sent))),
    fingerprint: fingerprintOfRequest(request),
    markReplayed: () => void reply.header('idempotent-replayed', 'true'),
  })
}
