import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { keyedContextOf } from '@shop/platform/http/idempotency.ts'
import { preconditions } from '@shop/platform/http/preconditions.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { stateOfTag } from './basket-json.ts'
import { type BasketResponses, config } from './basket-responses.ts'
import { schemas } from './basket-schemas.ts'
import { additionIn, quantitiesIn } from './item-bodies.ts'

/** Routes for all lines of a basket, which are called items on the wire. */
const severalItems =
  (use: UseCases, { withTag }: BasketResponses): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post('/baskets/:user_id/items', { schema: schemas.addItem, config }, async (request, reply) => {
      const { user_id: userId } = request.params
      const addition = additionIn(request.body)
      const expected = preconditions(request, stateOfTag)
      const context = keyedContextOf(request, reply)
      const basket = await ('quantities' in addition
        ? use.addItems({ userId, ...addition, expected }, context)
        : use.addItem({ userId, ...addition, expected }, context))
      return withTag(reply, basket)
    })

    app.patch(
      '/baskets/:user_id/items',
      { schema: schemas.setQuantities, config },
      async (request, reply) => {
        const { user_id: userId } = request.params
        const quantities = quantitiesIn(request.body)
        const expected = preconditions(request, stateOfTag)
        const context = keyedContextOf(request, reply)
        return withTag(reply, await use.setQuantities({ userId, quantities, expected }, context))
      },
    )

    app.delete('/baskets/:user_id/items', { schema: schemas.clearBasket, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      return withTag(
        reply,
        await use.clearBasket({ userId: request.params.user_id, expected }, keyedContextOf(request, reply)),
      )
    })
  }

/** Routes for one line. */
const oneItem =
  (use: UseCases, { withTag }: BasketResponses): FastifyPluginAsyncTypebox =>
  async (app) => {
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

export const itemRoutes =
  (use: UseCases, responses: BasketResponses): FastifyPluginAsyncTypebox =>
  async (app) => {
    await app.register(severalItems(use, responses))
    await app.register(oneItem(use, responses))
  }
