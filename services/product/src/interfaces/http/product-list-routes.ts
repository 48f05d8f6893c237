import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { contextOf } from '@shop/platform/http/context.ts'
import type { FastifyReply } from 'fastify'
import type { UseCases } from '../../application/use-cases.ts'
import { byId, lowestStockFirst, mostExpensiveFirst, type ProductPage } from '../../domain/product-reader.ts'
import { decodeCursor, encodeCursor, type Listing } from '../page-cursor.ts'
import { sortOf } from '../sort-words.ts'
import { productJson } from './product-json.ts'
import { schemas } from './product-schemas.ts'

const positionIn = (listing: Listing, cursor: string | undefined) =>
  cursor === undefined ? undefined : decodeCursor(listing, cursor, '/cursor')

type Filters = Readonly<{ category?: string; group_id?: string }>

const filtersOf = ({ category, group_id }: Filters): Pick<Listing, 'category' | 'groupId'> => ({
  ...(category !== undefined && { category }),
  ...(group_id !== undefined && { groupId: group_id }),
})

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
  const bodies = new WeakMap<ProductPage['products'], Buffer>()
  return (reply: FastifyReply, listing: Listing, page: ProductPage) => {
    let body = bodies.get(page.products)
    if (body === undefined) {
      // A buffer, so that compression is shared too.
      body = Buffer.from(String(reply.serializeInput(listJson(listing, page), '200')))
      bodies.set(page.products, body)
    }
    return reply.type('application/json; charset=utf-8').send(body)
  }
}

/** Listing is expensive, so it is cancelled when the client closes its side of the connection. */
const config = { stopsAtEndOfInput: true, cacheControl: 'no-cache' } as const

type ListRoute = (use: UseCases) => FastifyPluginAsyncTypebox

const listProducts: ListRoute = (use) => async (app) => {
  const send = createSender()
  app.get('/products', { schema: schemas.listProducts, config }, async (request, reply) => {
    const { limit, ...query } = request.query
    const listing = { sort: sortOf(query.sort), ...filtersOf(query) }
    const input = { ...listing, limit, after: positionIn(listing, query.cursor) }
    return send(reply, listing, await use.listProducts(input, contextOf(request)))
  })
}

const topProducts: ListRoute = (use) => async (app) => {
  const send = createSender()
  app.get('/products/top-:n', { schema: schemas.topProducts, config }, async (request, reply) => {
    const page = await use.topProducts({ count: request.params.n }, contextOf(request))
    return send(reply, { sort: mostExpensiveFirst }, page)
  })
}

const lowStockProducts: ListRoute = (use) => async (app) => {
  const send = createSender()
  app.get('/products/low-stock-:n', { schema: schemas.lowStockProducts, config }, async (request, reply) => {
    const { n: maxStock } = request.params
    const { limit, cursor } = request.query
    const listing = { sort: lowestStockFirst, maxStock }
    const query = { maxStock, limit, after: positionIn(listing, cursor) }
    return send(reply, listing, await use.lowStockProducts(query, contextOf(request)))
  })
}

const productsByCategory: ListRoute = (use) => async (app) => {
  const send = createSender()
  app.get(
    '/products/category/:category',
    { schema: schemas.productsByCategory, config },
    async (request, reply) => {
      const { category } = request.params
      const { limit, cursor } = request.query
      const listing = { sort: byId, category }
      const query = { category, limit, after: positionIn(listing, cursor) }
      return send(reply, listing, await use.productsByCategory(query, contextOf(request)))
    },
  )
}

/** The lists of products over HTTP. */
export const productListRoutes: ListRoute = (use) => async (app) => {
  for (const route of [listProducts, topProducts, lowStockProducts, productsByCategory])
    await app.register(route(use))
}
