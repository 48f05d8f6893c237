import { type ProductServiceServer, ProductServiceService as rpcs } from '@shop/contracts/product/product.ts'
import { invalid, requireWithin, type Violation, wholeNumberRule } from '@shop/kernel/errors.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { keyedCall } from '@shop/platform/grpc/calls/keyed-call.ts'
import { maxResponseBytes } from '@shop/platform/grpc/message-size.ts'
import type { Rpcs } from '@shop/platform/grpc/server.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { limits, type ProductState } from '../../domain/product.ts'
import { byId, lowestStockFirst } from '../../domain/product-reader.ts'
import { decodeCursor, type Listing } from '../page-cursor.ts'
import { pageLimits } from '../page-limits.ts'
import { messageChanges, messageFields, productMessage } from './product-message.ts'
import { encodedResponse, pageMessage, wholeResponse } from './product-messages.ts'
import { maskedFields } from './read-mask.ts'
import { sharedPages } from './shared-pages.ts'

const productId = (id: number) => requireWithin('/id', id, [1, limits.integer])

/** A version of 0 means that it is missing: protobuf decodes a missing number as 0. */
const expectedOf = (version: number): Expected<ProductState> =>
  requireWithin('/version', version, [0, limits.integer]) === 0 ? 'anything' : [{ version }]

const paging = (listing: Listing, { pageSize, pageToken }: { pageSize: number; pageToken: string }) => ({
  limit: requireWithin('/page_size', pageSize, [0, pageLimits.page]) || pageLimits.defaultPage,
  after: pageToken === '' ? undefined : decodeCursor(listing, pageToken, '/page_token'),
  maxDescriptionBytes: maxResponseBytes,
})

const idsOf = (ids: readonly number[]): readonly number[] => {
  if (ids.length < 1 || ids.length > pageLimits.batch)
    throw invalid({ path: '/ids', message: `must have 1 to ${pageLimits.batch} ids` })
  const violations: Violation[] = []
  for (const [index, id] of ids.entries()) {
    const message = wholeNumberRule(id, [1, limits.integer])
    if (message !== undefined) violations.push({ path: `/ids/${index}`, message })
  }
  if (violations.length > 0) throw invalid(...violations)
  return ids
}

type Service = Rpcs<ProductServiceServer, Buffer>

/** The RPCs that write: their calls use the limit of writes. */
export const writingRpcs = ['createProduct', 'updateProduct', 'deleteProduct'] as const

const writes = (use: UseCases, currency: string): Pick<Service, (typeof writingRpcs)[number]> => ({
  createProduct: async (request, context) => ({
    product: productMessage(
      await use.createProduct(messageFields(request), keyedCall(context, rpcs.createProduct, request)),
      currency,
    ),
  }),

  updateProduct: async (request, context) => {
    const command = {
      id: productId(request.id),
      changes: messageChanges(request),
      expected: expectedOf(request.version),
    }
    const keyed = keyedCall(context, rpcs.updateProduct, request)
    return { product: productMessage(await use.updateProduct(command, keyed), currency) }
  },

  deleteProduct: async (request, context) => {
    const { id, version } = request
    const keyed = keyedCall(context, rpcs.deleteProduct, request)
    await use.deleteProduct({ id: productId(id), expected: expectedOf(version) }, keyed)
    return { message: `product ${id} deleted` }
  },
})

type Lists = 'listProducts' | 'getTopMostExpensiveProducts' | 'getLowStockProducts' | 'getProductsByCategory'

const lists = (use: UseCases, currency: string): Pick<Service, Lists> => {
  const pagesOf = {
    list: sharedPages(),
    top: sharedPages(),
    lowStock: sharedPages(),
    category: sharedPages(),
  } as const
  return {
    listProducts: async (request, context) => {
      const listing = { sort: byId }
      const page = await use.listProducts({ ...listing, ...paging(listing, request) }, context)
      return pagesOf.list(page.products, () => pageMessage(listing, page, currency))
    },

    getTopMostExpensiveProducts: async ({ limit }, context) => {
      const count = requireWithin('/limit', limit, [0, pageLimits.top]) || pageLimits.defaultTop
      const { products } = await use.topProducts({ count }, context)
      return pagesOf.top(products, () => ({
        products: wholeResponse(products.map((product) => productMessage(product, currency))),
        nextPageToken: '',
      }))
    },

    getLowStockProducts: async (request, context) => {
      const maxStock = requireWithin('/max_stock', request.maxStock, [0, limits.integer])
      const listing = { sort: lowestStockFirst, maxStock }
      const query = { maxStock, ...paging(listing, request) }
      const page = await use.lowStockProducts(query, context)
      return pagesOf.lowStock(page.products, () => pageMessage(listing, page, currency))
    },

    getProductsByCategory: async (request, context) => {
      const listing = { sort: byId, category: request.category }
      const query = { category: request.category, ...paging(listing, request) }
      const page = await use.productsByCategory(query, context)
      return pagesOf.category(page.products, () => pageMessage(listing, page, currency))
    },
  }
}

/** Products over gRPC: each RPC reads its request, calls one use case and converts the result. */
export const productService = (use: UseCases, currency: string): Service => ({
  ...writes(use, currency),
  ...lists(use, currency),

  getProduct: async ({ id }, context) =>
    encodedResponse([await use.getProduct({ id: productId(id) }, context)], { currency }),

  batchGetProducts: async ({ ids, readMask }, context) => {
    const fields = maskedFields(readMask)
    const query = { ids: idsOf(ids) }
    const read = fields.has('description') ? use.getProducts : use.getProductSummaries
    return encodedResponse(await read(query, context), { currency, fields })
  },
})
