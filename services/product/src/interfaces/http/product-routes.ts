import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { acceptJson } from '@shop/platform/http/json-bodies.ts'
import { ifMatch, sendTagged } from '@shop/platform/http/preconditions.ts'
import type { FastifyReply } from 'fastify'
import type { UseCases } from '../../application/use-cases.ts'
import type { Product } from '../../domain/product.ts'
import { byId, lowestStockFirst, mostExpensiveFirst, type ProductPage } from '../../domain/product-reader.ts'
import { decodeCursor, encodeCursor, type Listing } from '../page-cursor.ts'
import { sortOf } from '../sort-words.ts'
import { productChanges, productFields, productJson, productTag } from './product-json.ts'
import { schemas } from './product-schemas.ts'

const placeIn = (listing: Listing, cursor: string | undefined) =>
  cursor === undefined ? undefined : decodeCursor(listing, cursor, '/cursor')

const listJson = (listing: Listing, { products, next }: ProductPage) => ({
  products: products.map(productJson),
  count: products.length,
  next_cursor: next === undefined ? null : encodeCursor(listing, next),
})

/**
 * Sends the pages of one route. Requests that shared a query got the same list, and share the text that is made of it;
 * another route makes something else of it.
 */
const pageSender = () => {
  const texts = new WeakMap<ProductPage['products'], string>()
  return (reply: FastifyReply, listing: Listing, page: ProductPage) => {
    let body = texts.get(page.products)
    if (body === undefined) {
      body = String(reply.serializeInput(listJson(listing, page), '200'))
      texts.set(page.products, body)
    }
    return reply.type('application/json; charset=utf-8').send(body)
  }
}

/** The lists, page by page. */
const listRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    const sendProducts = pageSender()
    app.get('/products', { schema: schemas.listProducts }, async ({ query }, reply) => {
      const listing = { sort: sortOf(query.sort) }
      const after = placeIn(listing, query.cursor)
      return sendProducts(reply, listing, await use.listProducts({ ...listing, limit: query.limit, after }))
    })

    const sendTop = pageSender()
    app.get('/products/top-:n', { schema: schemas.topProducts }, async ({ params }, reply) =>
      sendTop(reply, { sort: mostExpensiveFirst }, await use.topProducts({ count: params.n })),
    )

    const sendLowStock = pageSender()
    app.get(
      '/products/low-stock-:n',
      { schema: schemas.lowStockProducts },
      async ({ params, query }, reply) => {
        const listing = { sort: lowestStockFirst, maxStock: params.n }
        const after = placeIn(listing, query.cursor)
        const page = await use.lowStockProducts({ maxStock: params.n, limit: query.limit, after })
        return sendLowStock(reply, listing, page)
      },
    )

    const sendCategory = pageSender()
    app.get(
      '/products/category/:category',
      { schema: schemas.productsByCategory },
      async ({ params: { category }, query }, reply) => {
        const listing = { sort: byId, category }
        const after = placeIn(listing, query.cursor)
        const page = await use.productsByCategory({ category, limit: query.limit, after })
        return sendCategory(reply, listing, page)
      },
    )
  }

const sendProduct = (reply: FastifyReply, product: Product) =>
  reply.header('etag', productTag(product)).send(productJson(product))

/** Products over HTTP: each route reads its input, calls one use case, and presents the result. */
export const productRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    await app.register(listRoutes(use))

    app.post('/products', { schema: schemas.createProduct }, async ({ body }, reply) => {
      const product = await use.createProduct(productFields(body))
      return sendProduct(reply.code(201).header('location', `/products/${product.id}`), product)
    })

    app.get('/products/:id', { schema: schemas.getProduct }, async (request, reply) => {
      const product = await use.getProduct({ id: request.params.id })
      return sendTagged(request, reply, productTag(product), () => productJson(product))
    })

    app.put('/products/:id', { schema: schemas.replaceProduct }, async (request, reply) => {
      const precondition = ifMatch(request, productTag)
      const changes = productFields(request.body)
      return sendProduct(reply, await use.updateProduct({ id: request.params.id, changes, precondition }))
    })

    app.delete('/products/:id', { schema: schemas.deleteProduct }, async (request, reply) => {
      await use.deleteProduct({ id: request.params.id, precondition: ifMatch(request, productTag) })
      return reply.code(204).send(null)
    })

    await app.register(patchRoute(use))
  }

/** In a scope of its own, for it alone takes the media type of a merge patch. */
const patchRoute =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    acceptJson(app, 'application/merge-patch+json')
    app.patch('/products/:id', { schema: schemas.patchProduct }, async (request, reply) => {
      const precondition = ifMatch(request, productTag)
      const changes = productChanges(request.body)
      return sendProduct(reply, await use.updateProduct({ id: request.params.id, changes, precondition }))
    })
  }
