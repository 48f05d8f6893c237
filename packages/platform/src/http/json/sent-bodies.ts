import { invalid } from '@shop/kernel/errors.ts'
import type { FastifyRequest } from 'fastify'
import { canonicalJson } from '../../idempotency/keys.ts'

const texts = new WeakMap<FastifyRequest, string>()

/** Returns why the body cannot be kept. */
const keep = (request: FastifyRequest, body: unknown): Error | null => {
  try {
    texts.set(request, canonicalJson(body))
    return null
  } catch (error) {
    if (error instanceof RangeError) return invalid({ path: '', message: 'is nested too deeply' })
    throw error
  }
}

type Parsed = (error: Error | null, body?: unknown) => void

/**
 * Keeps the parsed body of a request with an idempotency key as it was sent: validation adds the defaults to it, and a release may
 * have more of them than the one before.
 */
export const keepingSentBody = (request: FastifyRequest, done: Parsed): Parsed =>
  request.headers['idempotency-key'] === undefined
    ? done
    : (error, body) => done(error ?? keep(request, body), body)

/** The canonical JSON of the body that was kept; that of null without a body. */
export const sentBodyOf = (request: FastifyRequest): string => texts.get(request) ?? 'null'
