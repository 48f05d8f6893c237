import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { contextOf } from '@shop/platform/http/context.ts'
import { keyedContextOf } from '@shop/platform/http/idempotency.ts'
import { acceptJson } from '@shop/platform/http/json-bodies.ts'
import { preconditions, tagged } from '@shop/platform/http/preconditions.ts'
import type { FastifyReply } from 'fastify'
import type { UseCases } from '../../application/use-cases.ts'
import type { Product } from '../../domain/product.ts'
import { productChanges, productFields } from './product-input.ts'
import { productJson } from './product-json.ts'
import { productListRoutes } from './product-list-routes.ts'
import { schemas } from './product-schemas.ts'
import { productTag, stateOfTag } from './product-tag.ts'

/** Caches may keep a product, but ask with its ETag before each use. */
const config = { cacheControl: 'no-cache' } as const

/** The handlers return their response. To return `reply.send(…)` would take two more promises. */
const taggedJson = (currency: string) => (reply: FastifyReply, product: Product) => {
  void reply.header('etag', productTag(product))
  return productJson(product, currency)
}

/** Products over HTTP: each route reads its input, calls one use case and converts the result. */
export const productRoutes =
  (use: UseCases, currency: string): FastifyPluginAsyncTypebox =>
  async (app) => {
    const withTag = taggedJson(currency)
    await app.register(productListRoutes(use, currency))

    app.post('/products', { schema: schemas.createProduct, config }, async (request, reply) => {
      const product = await use.createProduct(productFields(request.body), keyedContextOf(request, reply))
      return withTag(reply.code(201).header('location', `/products/${product.id}`), product)
    })

    app.get('/products/:id', { schema: schemas.getProduct, config }, async (request, reply) => {
      const product = await use.getProduct({ id: request.params.id }, contextOf(request))
      return tagged(request, reply, productTag(product), () => productJson(product, currency))
    })

    app.put('/products/:id', { schema: schemas.replaceProduct, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      const changes = productChanges(request.body)
      return withTag(
        reply,
        await use.updateProduct({ id: request.params.id, changes, expected }, keyedContextOf(request, reply)),
      )
    })

    app.delete('/products/:id', { schema: schemas.deleteProduct, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      await use.deleteProduct({ id: request.params.id, expected }, keyedContextOf(request, reply))
      return reply.code(204).send(null)
    })

    await app.register(patchRoute(use, withTag))
  }

/** In a separate scope, because only this route accepts the media type of a merge patch. */
const patchRoute =
  (use: UseCases, withTag: ReturnType<typeof taggedJson>): FastifyPluginAsyncTypebox =>
  async (app) => {
    acceptJson(app, 'application/merge-patch+json')
    app.patch('/products/:id', { schema: schemas.patchProduct, config }, async (request, reply) => {
      const expected = preconditions(request, stateOfTag)
      const changes = productChanges(request.body)
      return withTag(
        reply,
        await use.updateProduct({ id: request.params.id, changes, expected }, keyedContextOf(request, reply)),
      )
    })
  }
