import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { contextOf } from '@shop/platform/http/context.ts'
import { keyedContextOf } from '@shop/platform/http/idempotency.ts'
import { preconditions, tagged } from '@shop/platform/http/preconditions.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { basketJson, basketTag, ownerIn, stateOfTag } from './basket-json.ts'
import { basketResponses, config } from './basket-responses.ts'
import { schemas } from './basket-schemas.ts'
import { itemRoutes } from './item-routes.ts'

/** The HTTP routes for baskets. Each route reads its input, calls one use case and sends the result. */
export const basketRoutes =
  (use: UseCases, currency: string): FastifyPluginAsyncTypebox =>
  async (app) => {
    const responses = basketResponses(currency)
    const { withTag, withLocation } = responses

    app.get('/baskets/:user_id', { schema: schemas.getBasket, config }, async (request, reply) => {
      const basket = await use.getBasket({ userId: request.params.user_id }, contextOf(request))
      return tagged(request, reply, basketTag(basket), () => basketJson(basket, currency))
    })

    app.post('/baskets', { schema: schemas.createBasket, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      const owner = ownerIn(request.body)
      const context = keyedContextOf(request, reply)
      if (owner === 'guest') return withLocation(reply, await use.createGuestBasket({ expected }, context))
      const { basket, created } = await use.createBasket({ ...owner, expected }, context)
      return created ? withLocation(reply, basket) : withTag(reply, basket)
    })

    await app.register(itemRoutes(use, responses))

    app.delete('/baskets/:user_id', { schema: schemas.deleteBasket, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      await use.deleteBasket({ userId: request.params.user_id, expected }, contextOf(request))
      return reply.code(204).send(null)
    })
  }
