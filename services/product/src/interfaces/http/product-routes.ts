import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ifMatch, sendTagged } from '@shop/platform/conditional.ts'
import { acceptJson } from '@shop/platform/http-server.ts'
import type { FastifyReply } from 'fastify'
import type { UseCases } from '../../application/use-cases.ts'
import type { ProductPage } from '../../domain/product-reader.ts'
import { decodeCursor, encodeCursor, type Listing } from '../page-cursor.ts'
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

/** Products over HTTP: each route reads its input, calls one use case, and presents the result. */
export const productRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    const sendProducts = pageSender()
    app.get('/products', { schema: schemas.listProducts }, async ({ query }, reply) => {
      const listing = { sort: query.sort }
      const after = placeIn(listing, query.cursor)
      return sendProducts(reply, listing, await use.listProducts({ ...listing, limit: query.limit, after }))
    })

    app.post('/products', { schema: schemas.createProduct }, async ({ body }, reply) => {
      const product = await use.createProduct(productFields(body))
      void reply.header('location', `/products/${product.id}`).header('etag', productTag(product))
      return reply.code(201).send(productJson(product))
    })

    const sendTop = pageSender()
    app.get('/products/top-:n', { schema: schemas.topProducts }, async ({ params }, reply) =>
      sendTop(reply, { sort: '-price' }, await use.topProducts({ count: params.n })),
    )

    const sendLowStock = pageSender()
    app.get(
      '/products/low-stock-:n',
      { schema: schemas.lowStockProducts },
      async ({ params, query }, reply) => {
        const listing = { sort: 'stock', maxStock: params.n } as const
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
        const listing = { sort: 'id', category } as const
        const after = placeIn(listing, query.cursor)
        const page = await use.productsByCategory({ category, limit: query.limit, after })
        return sendCategory(reply, listing, page)
      },
    )

    app.get('/products/:id', { schema: schemas.getProduct }, async (request, reply) => {
      const product = await use.getProduct({ id: request.params.id })
      return sendTagged(request, reply, productTag(product), () => productJson(product))
    })

    app.put('/products/:id', { schema: schemas.replaceProduct }, async (request, reply) => {
      const precondition = ifMatch(request, productTag)
      const changes = productFields(request.body)
      const product = await use.updateProduct({ id: request.params.id, changes, precondition })
      return reply.header('etag', productTag(product)).send(productJson(product))
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
      const product = await use.updateProduct({ id: request.params.id, changes, precondition })
      return reply.header('etag', productTag(product)).send(productJson(product))
    })
  }
