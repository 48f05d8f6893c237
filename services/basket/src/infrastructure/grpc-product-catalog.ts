import { type Product, ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import { AppError, type ErrorKind, kindOf } from '@shop/kernel/errors.ts'
import { centsFromDecimal } from '@shop/kernel/money.ts'
import { callUnary, checkServing } from '@shop/platform/grpc/client.ts'
import { measureCalls } from '@shop/platform/grpc/client-metrics.ts'
import { renewedClient } from '@shop/platform/grpc/renewed-client.ts'
import { traceCalls } from '@shop/platform/grpc/tracing.ts'
import { batchByKey } from '@shop/platform/limits/batches/batch-by-key.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { createBreaker } from '@shop/platform/resilience/breaker.ts'
import { productNotFound } from '../domain/errors.ts'
import type { CatalogProduct, ProductCatalog } from '../domain/product-catalog.ts'

/**
 * The deadline of a call, without time in which this process is stalled
 * (docs/decisions/0040-a-stalled-process-has-more-time.md). A look-up may first have to wait for an earlier call. It then
 * takes at most twice as long: while this process gets CPU time, that is less than the one second that a request may take.
 */
const deadlineMs = 400
/** Even from a product service that ignores the mask, the response is below the 4 MB that a gRPC client accepts. */
const maxBatchSize = 100
/** The fields that a basket needs. With the longest texts, 100 products then take 120 KB instead of 2 MB. */
const readMask = Object.values({
  id: 'id',
  name: 'name',
  price: 'price',
  category: 'category',
  stock: 'stock',
} satisfies Record<keyof CatalogProduct, string>)
const unavailableMessage = 'the product service is unavailable'

/** Kinds of errors after which a retry may succeed. */
const temporaryKinds = new Set<ErrorKind>(['unavailable', 'rate_limited'])

const toCatalogError = (error: unknown): Error =>
  temporaryKinds.has(kindOf(error))
    ? new AppError('unavailable', unavailableMessage, { cause: error })
    : // This includes `invalid`: we validate our caller's input, so a rejected id is our bug.
      new Error('unexpected response from the product service', { cause: error })

/** Returns an error for a malformed product, so that the other products of the batch are unaffected. */
const toCatalogProduct = ({ id, name, category, stock, price }: Product): CatalogProduct | Error => {
  try {
    return { id, name, category, stock, price: centsFromDecimal(price, '/price') }
  } catch (error) {
    return toCatalogError(error)
  }
}

/**
 * Looks up products in the product service. `address` has one of the forms that `grpcAddress` allows.
 * Concurrent look-ups share calls.
 */
export const grpcProductCatalog = (
  address: string,
  metrics?: Metrics,
): ProductCatalog & Disposable & { probe: () => Promise<unknown> } => {
  const interceptors = metrics === undefined ? [traceCalls] : [traceCalls, measureCalls(metrics)]
  const client = renewedClient(
    address,
    [ProductServiceService.batchGetProducts.path],
    (target, credentials, options) =>
      new ProductServiceClient(target, credentials, { ...options, interceptors }),
  )
  const onState = metrics?.watchBreaker('product-service')
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
  const load = async (ids: readonly number[]): Promise<(CatalogProduct | Error)[]> => {
    const products = await breaker(() => fetchProducts(ids))
    const found = new Map(products.map((product) => [product.id, toCatalogProduct(product)]))
    return ids.map((id) => found.get(id) ?? productNotFound(id))
  }

  return {
    find: batchByKey({ load, slots: 2, maxBatchSize }),
    probe: () => client.call((products) => checkServing(products, 'product.ProductService', deadlineMs)),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  }
}
