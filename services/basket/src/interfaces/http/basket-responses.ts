import type { FastifyReply } from 'fastify'
import type { Basket } from '../../domain/basket.ts'
import { basketJson, basketPath, basketTag } from './basket-json.ts'

/** Only the user's own cache may keep a basket, and asks with its ETag before each use. */
export const config = { cacheControl: 'private, no-cache' } as const

/** The handlers return their response. To return `reply.send(…)` would take two more promises. */
export const withTag = (reply: FastifyReply, basket: Basket) => {
  void reply.header('etag', basketTag(basket))
  return basketJson(basket)
}

export const withLocation = (reply: FastifyReply, basket: Basket) =>
  withTag(reply.code(201).header('location', basketPath(basket)), basket)
