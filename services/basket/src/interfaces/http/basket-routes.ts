import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ifMatch, sendTagged } from '@shop/platform/http/preconditions.ts'
import type { FastifyReply } from 'fastify'
import type { UseCases } from '../../application/use-cases.ts'
import type { Basket } from '../../domain/basket.ts'
import { basketJson, basketTag } from './basket-json.ts'
import { schemas } from './basket-schemas.ts'

const tagged = (reply: FastifyReply, basket: Basket) => {
  void reply.header('etag', basketTag(basket))
  return basketJson(basket)
}

/** The lines of a basket, which clients call items. */
const itemRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post('/baskets/:user_id/items', { schema: schemas.addItem }, async (request, reply) => {
      const { product_id: productId, quantity } = request.body
      const precondition = ifMatch(request, basketTag)
      const command = { userId: request.params.user_id, productId, quantity, precondition }
      return tagged(reply, await use.addItem(command))
    })

    app.put(
      '/baskets/:user_id/items/:product_id',
      { schema: schemas.setQuantity },
      async (request, reply) => {
        const { user_id: userId, product_id: productId } = request.params
        const precondition = ifMatch(request, basketTag)
        const { quantity } = request.body
        return tagged(reply, await use.setQuantity({ userId, productId, quantity, precondition }))
      },
    )

    app.delete(
      '/baskets/:user_id/items/:product_id',
      { schema: schemas.removeItem },
      async (request, reply) => {
        const { user_id: userId, product_id: productId } = request.params
        const precondition = ifMatch(request, basketTag)
        return tagged(reply, await use.removeItem({ userId, productId, precondition }))
      },
    )

    app.delete('/baskets/:user_id/items', { schema: schemas.clearBasket }, async (request, reply) => {
      const precondition = ifMatch(request, basketTag)
      return tagged(reply, await use.clearBasket({ userId: request.params.user_id, precondition }))
    })
  }

/** Baskets over HTTP: each route reads its input, calls one use case, and presents the result. */
export const basketRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get('/baskets/:user_id', { schema: schemas.getBasket }, async (request, reply) => {
      const basket = await use.getBasket({ userId: request.params.user_id })
      return sendTagged(request, reply, basketTag(basket), () => basketJson(basket))
    })

    app.post('/baskets', { schema: schemas.createBasket }, async (request, reply) => {
      const precondition = ifMatch(request, basketTag)
      const { basket, created } = await use.createBasket({ userId: request.body.user_id, precondition })
      if (created) void reply.code(201).header('location', `/baskets/${basket.userId}`)
      return tagged(reply, basket)
    })

    await app.register(itemRoutes(use))

    app.delete('/baskets/:user_id', { schema: schemas.deleteBasket }, async (request, reply) => {
      const precondition = ifMatch(request, basketTag)
      await use.deleteBasket({ userId: request.params.user_id, precondition })
      return reply.code(204).send(null)
    })
  }
