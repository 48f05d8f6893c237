import type { AppError } from '@shop/kernel/errors.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { identityOf } from '../../limits/rates/identity.ts'
import { Allowance, type RequestRate } from '../../limits/rates/request-rate.ts'
import type { RequestRates } from '../../limits/rates/request-rates.ts'
import { clientOf } from '../edge/client.ts'
import { routeOf } from '../edge/route.ts'
import { principalOf } from '../identify.ts'
import { isOperational } from '../operations/is-operational.ts'

const key = Symbol('allowance')

declare module 'fastify' {
  interface FastifyRequest {
    [key]: Allowance | undefined
  }
}

/** What the request may use of the limit of its caller; undefined if that is not limited. */
export const allowanceOf = (request: FastifyRequest): Allowance | undefined => request[key]

/**
 * Returns the id of a guest that the request names, if the caller proves by it to be that guest: nobody must have a limit of its own by
 * an id that it has invented.
 */
export type GuestOf = (request: FastifyRequest) => string | undefined

type Options = Readonly<{
  /** Without it, no caller is limited. */
  rates?: RequestRates | undefined
  guestOf?: GuestOf | undefined
}>

/** Monitoring is never limited, nor is OPTIONS: a browser asks it before requests that count, and it costs as little as a refusal. */
const rateOf = (request: FastifyRequest, { reads, writes }: RequestRates): RequestRate | undefined => {
  const { method } = request
  if (method === 'OPTIONS' || isOperational(routeOf(request).url)) return undefined
  return method === 'GET' || method === 'HEAD' ? reads : writes
}

/** Whose limit the request uses. A guest has its own, within that of all guests at its address. */
const payerOf = (request: FastifyRequest, guestOf: GuestOf | undefined) => {
  const principal = principalOf(request)
  const identity = identityOf(principal, clientOf(request))
  if (guestOf === undefined || principal.kind === 'user' || principal.kind === 'machine')
    return identity === undefined ? undefined : { identity }
  const guest = guestOf(request)
  if (guest !== undefined) return { identity: guest, address: identity }
  return identity === undefined ? undefined : { identity }
}

/**
 * Takes a point from the limit of the caller of each request, before its body is read, so that invalid requests and unknown paths count
 * too. Responses have the fields `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).
 */
export const limitRates = (app: FastifyInstance, { rates, guestOf }: Options): void => {
  app.decorateRequest(key, undefined)
  if (rates?.reads === undefined && rates?.writes === undefined) return
  app.addHook('onRequest', (request, _reply, done) => {
    const rate = rateOf(request, rates)
    const payer = rate && payerOf(request, guestOf)
    if (rate === undefined || payer === undefined) return done()
    const allowance = new Allowance(rate, payer)
    request[key] = allowance
    const refusal = allowance.take(1)
    const decide = (refused: AppError | undefined): void => done(refused)
    if (refusal instanceof Promise) void refusal.then(decide, done)
    else decide(refusal)
  })
  app.addHook('onSend', (request, reply, _payload, done) => {
    const told = request[key]?.told
    if (told !== undefined) void reply.header('ratelimit-policy', told.policy).header('ratelimit', told.state)
    done()
  })
}
