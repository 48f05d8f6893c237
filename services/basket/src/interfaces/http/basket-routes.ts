import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { contextOf } from '@shop/platform/http/context.ts'
import { keyedContextOf } from '@shop/platform/http/idempotency.ts'
import { preconditions, tagged } from '@shop/platform/http/preconditions.ts'
import type { FastifyReply } from 'fastify'
import type { UseCases } from '../../application/use-cases.ts'
import type { Basket } from '../../domain/basket.ts'
import { basketJson, basketPath, basketTag, ownerIn, stateOfTag } from './basket-json.ts'
import { schemas } from './basket-schemas.ts'

/** Only the user's own cache may keep a basket, and asks with its ETag before each use. */
const config = { cacheControl: 'private, no-cache' } as const

/** The handlers return their response. To return `reply.send(…)` would take two more promises. */
const withTag = (reply: FastifyReply, basket: Basket) => {
  void reply.header('etag', basketTag(basket))
  return basketJson(basket)
}

const withLocation = (reply: FastifyReply, basket: Basket) =>
  withTag(reply.code(201).header('location', basketPath(basket)), basket)

/** Routes for the lines of a basket, which are called items on the wire. */
const itemRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post('/baskets/:user_id/items', { schema: schemas.addItem, config }, async (request, reply) => {
      const { product_id: productId, quantity } = request.body
      const expected = preconditions(request, stateOfTag)
      const command = { userId: request.params.user_id, productId, quantity, expected }
      return withTag(reply, await use.addItem(command, keyedContextOf(request, reply)))
    })

    app.put(
      '/baskets/:user_id/items/:product_id',
      { schema: schemas.setQuantity, config },
      async (request, reply) => {
        const { user_id: userId, product_id: productId } = request.params
        const expected = preconditions(request, stateOfTag)
        const { quantity } = request.body
        return withTag(
          reply,
          await use.setQuantity({ userId, productId, quantity, expected }, keyedContextOf(request, reply)),
        )
      },
    )

    app.delete(
      '/baskets/:user_id/items/:product_id',
      { schema: schemas.removeItem, config },
      async (request, reply) => {
        const { user_id: userId, product_id: productId } = request.params
        const expected = preconditions(request, stateOfTag)
        return withTag(
          reply,
          await use.removeItem({ userId, productId, expected }, keyedContextOf(request, reply)),
        )
      },
    )
  }

/** The HTTP routes for baskets. Each route reads its input, calls one use case and sends the result. */
export const basketRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get('/baskets/:user_id', { schema: schemas.getBasket, config }, async (request, reply) => {
      const basket = await use.getBasket({ userId: request.params.user_id }, contextOf(request))
      return tagged(request, reply, basketTag(basket), () => basketJson(basket))
    })

    app.post('/baskets', { schema: schemas.createBasket, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      const owner = ownerIn(request.body)
      const context = keyedContextOf(request, reply)
      if (owner === 'guest') return withLocation(reply, await use.createGuestBasket({ expected }, context))
      const { basket, created } = await use.createBasket({ ...owner, expected }, context)
      return created ? withLocation(reply, basket) : withTag(reply, basket)
    })

    await app.register(itemRoutes(use))

    app.delete('/baskets/:user_id/items', { schema: schemas.clearBasket, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      return withTag(
        reply,
        await use.clearBasket({ userId: request.params.user_id, expected }, keyedContextOf(request, reply)),
      )
    })

    app.delete('/baskets/:user_id', { schema: schemas.deleteBasket, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      await use.deleteBasket({ userId: request.params.user_id, expected }, contextOf(request))
      return reply.code(204).send(null)
    })
  }
