import type { FastifyReply } from 'fastify'
import type { Basket } from '../../domain/basket.ts'
import { basketJson, basketPath, basketTag } from './basket-json.ts'

/** Only the user's own cache may keep a basket, and asks with its ETag before each use. */
export const config = { cacheControl: 'private, no-cache' } as const

/**
 * Returns functions that respond with a basket, whose prices are in this currency. The handlers return what they return: to return
 * `reply.send(…)` would take two more promises.
 */
export const basketResponses = (currency: string) => {
  const withTag = (reply: FastifyReply, basket: Basket) => {
    void reply.header('etag', basketTag(basket))
    return basketJson(basket, currency)
  }
  return {
    withTag,
    withLocation: (reply: FastifyReply, basket: Basket) =>
      withTag(reply.code(201).header('location', basketPath(basket)), basket),
  }
}

export type BasketResponses = ReturnType<typeof basketResponses>
