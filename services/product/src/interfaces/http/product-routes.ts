import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { contextOf } from '@shop/platform/http/context.ts'
import { acceptJson } from '@shop/platform/http/json-bodies.ts'
import { ifMatch, sendTagged } from '@shop/platform/http/preconditions.ts'
import type { FastifyReply } from 'fastify'
import type { UseCases } from '../../application/use-cases.ts'
import type { Product } from '../../domain/product.ts'
import { byId, lowestStockFirst, mostExpensiveFirst, type ProductPage } from '../../domain/product-reader.ts'
import { decodeCursor, encodeCursor, type Listing } from '../page-cursor.ts'
import { sortOf } from '../sort-words.ts'
import { productChanges, productFields, productJson, productTag, stateOfTag } from './product-json.ts'
import { schemas } from './product-schemas.ts'

const positionIn = (listing: Listing, cursor: string | undefined) =>
  cursor === undefined ? undefined : decodeCursor(listing, cursor, '/cursor')

const listJson = (listing: Listing, { products, next }: ProductPage) => ({
  products: products.map(productJson),
  count: products.length,
  next_cursor: next === undefined ? null : encodeCursor(listing, next),
})

/**
 * Creates a function that sends the pages of one route. Requests that shared a query have the same array of
 * products, and share the response body serialized from it. Routes do not share bodies: two routes may use
 * the same query, with different cursors.
 */
const createSender = () => {
  const bodies = new WeakMap<ProductPage['products'], string>()
  return (reply: FastifyReply, listing: Listing, page: ProductPage) => {
    let body = bodies.get(page.products)
    if (body === undefined) {
      body = String(reply.serializeInput(listJson(listing, page), '200'))
      bodies.set(page.products, body)
    }
    return reply.type('application/json; charset=utf-8').send(body)
  }
}

/** Listing is expensive, so it is cancelled when the client closes its side of the connection. */
const config = { stopsAtEndOfInput: true }

const listRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    const send = { all: createSender(), top: createSender(), low: createSender(), category: createSender() }

    app.get('/products', { schema: schemas.listProducts, config }, async (request, reply) => {
      const { limit, ...query } = request.query
      const listing = { sort: sortOf(query.sort) }
      const input = { ...listing, limit, after: positionIn(listing, query.cursor) }
      return send.all(reply, listing, await use.listProducts(input, contextOf(request)))
    })

    app.get('/products/top-:n', { schema: schemas.topProducts, config }, async (request, reply) => {
      const page = await use.topProducts({ count: request.params.n }, contextOf(request))
      return send.top(reply, { sort: mostExpensiveFirst }, page)
    })

    app.get(
      '/products/low-stock-:n',
      { schema: schemas.lowStockProducts, config },
      async (request, reply) => {
        const { n: maxStock } = request.params
        const { limit, cursor } = request.query
        const listing = { sort: lowestStockFirst, maxStock }
        const query = { maxStock, limit, after: positionIn(listing, cursor) }
        return send.low(reply, listing, await use.lowStockProducts(query, contextOf(request)))
      },
    )

    app.get(
      '/products/category/:category',
      { schema: schemas.productsByCategory, config },
      async (request, reply) => {
        const { category } = request.params
        const { limit, cursor } = request.query
        const listing = { sort: byId, category }
        const query = { category, limit, after: positionIn(listing, cursor) }
        return send.category(reply, listing, await use.productsByCategory(query, contextOf(request)))
      },
    )
  }

const sendProduct = (reply: FastifyReply, product: Product) =>
  reply.header('etag', productTag(product)).send(productJson(product))

/** Products over HTTP: each route reads its input, calls one use case and converts the result. */
export const productRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    await app.register(listRoutes(use))

    app.post('/products', { schema: schemas.createProduct }, async (request, reply) => {
      const product = await use.createProduct(productFields(request.body), contextOf(request))
      return sendProduct(reply.code(201).header('location', `/products/${product.id}`), product)
    })

    app.get('/products/:id', { schema: schemas.getProduct }, async (request, reply) => {
      const product = await use.getProduct({ id: request.params.id }, contextOf(request))
      return sendTagged(request, reply, productTag(product), () => productJson(product))
    })

    app.put('/products/:id', { schema: schemas.replaceProduct }, async (request, reply) => {
      const expected = ifMatch(request, stateOfTag)
      const changes = productFields(request.body)
      return sendProduct(
        reply,
        await use.updateProduct({ id: request.params.id, changes, expected }, contextOf(request)),
      )
    })

    app.delete('/products/:id', { schema: schemas.deleteProduct }, async (request, reply) => {
      const expected = ifMatch(request, stateOfTag)
      await use.deleteProduct({ id: request.params.id, expected }, contextOf(request))
      return reply.code(204).send(null)
    })

    await app.register(patchRoute(use))
  }

/** In a separate scope, because only this route accepts the media type of a merge patch. */
const patchRoute =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    acceptJson(app, 'application/merge-patch+json')
    app.patch('/products/:id', { schema: schemas.patchProduct }, async (request, reply) => {
      const expected = ifMatch(request, stateOfTag)
      const changes = productChanges(request.body)
      return sendProduct(
        reply,
        await use.updateProduct({ id: request.params.id, changes, expected }, contextOf(request)),
      )
    })
  }
