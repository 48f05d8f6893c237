import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ifMatch, sendTagged } from '@shop/platform/conditional.ts'
import { acceptJson } from '@shop/platform/http-server.ts'
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

/** Products over HTTP: each route reads its input, calls one use case, and presents the result. */
export const productRoutes =
  (use: UseCases): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get('/products', { schema: schemas.listProducts }, async ({ query: { sort, limit, cursor } }) =>
      listJson({ sort }, await use.listProducts({ sort, limit, after: placeIn({ sort }, cursor) })),
    )

    app.post('/products', { schema: schemas.createProduct }, async ({ body }, reply) => {
      const product = await use.createProduct(productFields(body))
      void reply.header('location', `/products/${product.id}`).header('etag', productTag(product))
      return reply.code(201).send(productJson(product))
    })

    app.get('/products/top-:n', { schema: schemas.topProducts }, async ({ params }) =>
      listJson({ sort: '-price' }, await use.topProducts({ count: params.n })),
    )

    app.get('/products/low-stock-:n', { schema: schemas.lowStockProducts }, async ({ params, query }) => {
      const listing = { sort: 'stock', maxStock: params.n } as const
      const after = placeIn(listing, query.cursor)
      return listJson(listing, await use.lowStockProducts({ maxStock: params.n, limit: query.limit, after }))
    })

    app.get(
      '/products/category/:category',
      { schema: schemas.productsByCategory },
      async ({ params: { category }, query }) => {
        const listing = { sort: 'id', category } as const
        const after = placeIn(listing, query.cursor)
        return listJson(listing, await use.productsByCategory({ category, limit: query.limit, after }))
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
