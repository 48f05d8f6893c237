import { type Product, ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import { defaultCurrency } from '@shop/kernel/currency.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { centsFromDecimal } from '@shop/kernel/money.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { authenticateCalls } from '@shop/platform/grpc/call-credentials.ts'
import { callUnary, checkServing } from '@shop/platform/grpc/client.ts'
import { measureCalls } from '@shop/platform/grpc/client-metrics.ts'
import { connectionsTo } from '@shop/platform/grpc/connecting/client-tls.ts'
import type { Connections } from '@shop/platform/grpc/connecting/tracked-credentials.ts'
import { renewedClient } from '@shop/platform/grpc/renewed-client.ts'
import { traceCalls } from '@shop/platform/grpc/tracing.ts'
import { batchByKey } from '@shop/platform/limits/batches/batch-by-key.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { createBreaker } from '@shop/platform/resilience/breaker.ts'
import { productNotFound } from '../domain/errors.ts'
import type { CatalogProduct, ProductCatalog } from '../domain/product-catalog.ts'
import { toCatalogError, unavailable, unavailableMessage } from './catalog-errors.ts'

/**
 * The deadline of a call, without time in which this process is stalled
 * (docs/decisions/0040-a-stalled-process-has-more-time.md). A look-up may first have to wait for an
 * earlier call, and fails with that if it has waited for this long. It then takes at most twice as long: while this process gets
 * CPU time, that is less than the one second that a request may take.
 */
const deadlineMs = 400
/** Even from a product service that ignores the mask, the response is below the 4 MB that a gRPC client accepts. */
const maxBatchSize = 100
/** The fields that a basket needs, and the currency to check. With the longest texts, 100 products then take 120 KB instead of 2 MB. */
const readMask = [
  ...Object.values({
    id: 'id',
    name: 'name',
    price: 'price',
    category: 'category',
    stock: 'stock',
  } satisfies Record<keyof CatalogProduct, string>),
  'currency',
]

/** A product service of 0.1.0 sends no currency. */
const isForeign = ({ currency }: Product, ours: string): boolean => currency !== '' && currency !== ours

const otherCurrency = (theirs: string, ours: string): string =>
  `the product service has prices in ${theirs}, and this service in ${ours}`

/** Returns an error for a product with a malformed price or another currency, so that the other products of the batch are unaffected. */
const toCatalogProduct = (product: Product, ours: string): CatalogProduct | Error => {
  const { id, name, category, stock, price, currency } = product
  if (isForeign(product, ours))
    return unavailable(
      new OperatorError(`${otherCurrency(currency, ours)}: set CURRENCY to the same value for both services`),
    )
  try {
    return { id, name, category, stock, price: centsFromDecimal(price, '/price') }
  } catch (error) {
    return toCatalogError(error)
  }
}

type Options = Readonly<{
  /** The currency that all prices must have; by default that of the variable. */
  currency?: string
  metrics?: Metrics | undefined
  /** The API key or token of this service. */
  token?: (() => string) | undefined
  /** How connections are made; by default without certificates of this service. */
  connections?: Connections | undefined
}>

const openClient = (address: string, { metrics, token, connections = connectionsTo(address) }: Options) => {
  const interceptors = [
    traceCalls,
    ...(metrics === undefined ? [] : [measureCalls(metrics)]),
    ...(token === undefined ? [] : [authenticateCalls(token)]),
  ]
  return renewedClient(
    { address, reads: [ProductServiceService.batchGetProducts.path], connections },
    (target, credentials, options) =>
      new ProductServiceClient(target, credentials, { ...options, interceptors }),
  )
}

type Load = (ids: readonly number[]) => Promise<(CatalogProduct | Error | undefined)[]>

const sharedLookUps = (load: Load): ProductCatalog => {
  const products = batchByKey<number, CatalogProduct | undefined>({
    load,
    slots: 2,
    maxBatchSize,
    maxWaitMs: deadlineMs,
  })
  return {
    find: async (id) => {
      const product = await products.find(id)
      if (product === undefined) throw productNotFound(id)
      return product
    },
    findMany: async (ids) => {
      const found = await products.findMany(ids)
      return new Map(found.flatMap((product) => (product === undefined ? [] : [[product.id, product]])))
    },
  }
}

/**
 * Looks up products in the product service. `address` has one of the forms that `grpcAddress` allows. Calls carry the token of
 * this service, and never that of its caller. Concurrent look-ups share calls; those of several products are not split.
 */
export const grpcProductCatalog = (
  address: string,
  options: Options = {},
): ProductCatalog & Disposable & { probe: () => Promise<unknown> } => {
  const { currency = defaultCurrency } = options
  const client = openClient(address, options)
  const onState = options.metrics?.watchBreaker('product-service')
  const breaker = createBreaker({ failures: 5, retryAfterMs: 500, message: unavailableMessage, onState })

  const fetchProducts = async (ids: readonly number[]): Promise<readonly Product[]> => {
    try {
      const response = await client.call((products) =>
        callUnary(products.batchGetProducts.bind(products), { ids: [...ids], readMask }, deadlineMs),
      )
      return response.products
    } catch (error) {
      throw toCatalogError(error)
    }
  }
  /** A product of another currency, for health. */
  let foreign: Product | undefined
  const load: Load = async (ids) => {
    const products = await breaker(() => fetchProducts(ids))
    if (products.length > 0) foreign = products.find((product) => isForeign(product, currency))
    const found = new Map(products.map((product) => [product.id, toCatalogProduct(product, currency)]))
    return ids.map((id) => found.get(id))
  }
  return {
    ...sharedLookUps(load),
    probe: async () => {
      await client.call((products) => checkServing(products, 'product.ProductService', deadlineMs))
      if (foreign === undefined) return
      foreign = (await fetchProducts([foreign.id])).find((product) => isForeign(product, currency))
      if (foreign !== undefined) throw new AppError('unavailable', otherCurrency(foreign.currency, currency))
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  }
}
