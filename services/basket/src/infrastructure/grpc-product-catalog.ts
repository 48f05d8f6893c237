import { type Product, ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import { AppError, type ErrorKind, kindOf } from '@shop/kernel/errors.ts'
import { centsFromDecimal } from '@shop/kernel/money.ts'
import { channelTo } from '@shop/platform/grpc/channel.ts'
import { callUnary, checkServing } from '@shop/platform/grpc/client.ts'
import { measureCalls } from '@shop/platform/grpc/client-metrics.ts'
import { traceCalls } from '@shop/platform/grpc/tracing.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { batchByKey } from '@shop/platform/resilience/batch-by-key.ts'
import { createBreaker } from '@shop/platform/resilience/breaker.ts'
import { productNotFound } from '../domain/errors.ts'
import type { CatalogProduct, ProductCatalog } from '../domain/product-catalog.ts'

/** Of a call. Who comes while others wait for one waits for that too: twice this is less than the second of the contract. */
const deadlineMs = 400
/** With the longest texts an answer is still less than the four megabytes that a client takes. */
const maxBatchSize = 100
const message = 'the product service is unavailable'

/** Asking again later may help. */
const outages = new Set<ErrorKind>(['unavailable', 'rate_limited'])

const translated = (error: unknown): Error =>
  outages.has(kindOf(error))
    ? new AppError('unavailable', message, { cause: error })
    : // Also what that service calls invalid: our caller's input has been checked before.
      new Error('unexpected response from the product service', { cause: error })

/** An error in the place of a product that makes no sense: the others of its batch are none the worse. */
const productOf = ({ id, name, category, stock, price }: Product): CatalogProduct | Error => {
  try {
    return { id, name, category, stock, price: centsFromDecimal(price, '/price') }
  } catch (error) {
    return translated(error)
  }
}

/** The products as the product service at a `grpcAddress` has them, over one channel. Look-ups at the same time share one call. */
export const grpcProductCatalog = (
  address: string,
  metrics?: Metrics,
): ProductCatalog & Disposable & { probe: () => Promise<unknown> } => {
  const [target, credentials, options] = channelTo(address, [ProductServiceService.batchGetProducts.path])
  const client = new ProductServiceClient(target, credentials, {
    ...options,
    interceptors: metrics === undefined ? [traceCalls] : [traceCalls, measureCalls(metrics)],
  })
  const onState = metrics?.watchBreaker('product-service')
  const breaker = createBreaker({ failures: 5, retryAfterMs: 500, message, onState })

  const ask = async (ids: readonly number[]): Promise<readonly Product[]> => {
    try {
      const answer = await callUnary(client.batchGetProducts.bind(client), { ids: [...ids] }, deadlineMs)
      return answer.products
    } catch (error) {
      throw translated(error)
    }
  }
  const load = async (ids: readonly number[]): Promise<(CatalogProduct | Error)[]> => {
    const products = await breaker(() => ask(ids))
    const found = new Map(products.map((product) => [product.id, productOf(product)]))
    return ids.map((id) => found.get(id) ?? productNotFound(id))
  }

  return {
    find: batchByKey({ load, slots: 2, maxBatchSize }),
    probe: () => checkServing(client, 'product.ProductService', deadlineMs),
    [Symbol.dispose]: () => client.close(),
  }
}
