import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { contextOf } from '@shop/platform/http/context.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { byId, lowestStockFirst, mostExpensiveFirst } from '../../domain/product-reader.ts'
import { decodeCursor, type Listing } from '../page-cursor.ts'
import { maxJsonDescriptionBytes } from '../page-limits.ts'
import { sortOf } from '../sort-words.ts'
import { createPageSender } from './product-page-sender.ts'
import { schemas } from './product-schemas.ts'

type Filters = Readonly<{ category?: string; group_id?: string }>

const filtersOf = ({ category, group_id }: Filters): Pick<Listing, 'category' | 'groupId'> => ({
  ...(category !== undefined && { category }),
  ...(group_id !== undefined && { groupId: group_id }),
})

/** What bounds a page of JSON. */
const pagingOf = (listing: Listing, { limit, cursor }: Readonly<{ limit: number; cursor?: string }>) => ({
  limit,
  after: cursor === undefined ? undefined : decodeCursor(listing, cursor, '/cursor'),
  maxDescriptionBytes: maxJsonDescriptionBytes,
})

/** Listing is expensive, so it is cancelled when the client closes its side of the connection. */
const config = { stopsAtEndOfInput: true, cacheControl: 'no-cache' } as const

type ListRoute = (use: UseCases, currency: string) => FastifyPluginAsyncTypebox

const listProducts: ListRoute = (use, currency) => async (app) => {
  const send = createPageSender({ currency })
  app.get('/products', { schema: schemas.listProducts, config }, async (request, reply) => {
    const { query } = request
    const listing = { sort: sortOf(query.sort), ...filtersOf(query) }
    const input = { ...listing, ...pagingOf(listing, query) }
    return send(reply, listing, await use.listProducts(input, contextOf(request)))
  })
}

const topProducts: ListRoute = (use, currency) => async (app) => {
  const send = createPageSender({ currency, isWhole: true })
  app.get('/products/top-:n', { schema: schemas.topProducts, config }, async (request, reply) => {
    const page = await use.topProducts({ count: request.params.n }, contextOf(request))
    return send(reply, { sort: mostExpensiveFirst }, page)
  })
}

const lowStockProducts: ListRoute = (use, currency) => async (app) => {
  const send = createPageSender({ currency })
  app.get('/products/low-stock-:n', { schema: schemas.lowStockProducts, config }, async (request, reply) => {
    const { n: maxStock } = request.params
    const listing = { sort: lowestStockFirst, maxStock }
    const query = { maxStock, ...pagingOf(listing, request.query) }
    return send(reply, listing, await use.lowStockProducts(query, contextOf(request)))
  })
}

const productsByCategory: ListRoute = (use, currency) => async (app) => {
  const send = createPageSender({ currency })
  app.get(
    '/products/category/:category',
    { schema: schemas.productsByCategory, config },
    async (request, reply) => {
      const { category } = request.params
      const listing = { sort: byId, category }
      const query = { category, ...pagingOf(listing, request.query) }
      return send(reply, listing, await use.productsByCategory(query, contextOf(request)))
    },
  )
}

/** The lists of products over HTTP. */
export const productListRoutes: ListRoute = (use, currency) => async (app) => {
  for (const route of [listProducts, topProducts, lowStockProducts, productsByCategory])
    await app.register(route(use, currency))
}
