import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { type ProductServiceServer, ProductServiceService } from '@shop/contracts/product/product.ts'
import { AppError, codeOf } from '@shop/kernel/errors.ts'
import { causeOf } from '@shop/platform/failure.ts'
import { grpcHealth } from '@shop/platform/grpc/health-and-reflection.ts'
import { createGrpcServer, type Rpcs } from '@shop/platform/grpc/server.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { createLimits, defaultLimits } from '@shop/platform/limits/limits.ts'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { silentServerOn } from '@shop/testing/services/tcp.ts'
import { startProxy } from '@shop/testing/stores/own-redis.ts'
import { grpcProductCatalog } from '../../src/infrastructure/grpc-product-catalog.ts'

type GetProduct = Rpcs<ProductServiceServer>['getProduct']
type BatchGetProducts = Rpcs<ProductServiceServer>['batchGetProducts']

/** Starts a product service whose batches call `getProduct` for each id. */
const startProducts = async (getProduct: GetProduct) => {
  const metrics = createMetrics('product-service', '0')
  const limits = createLimits(defaultLimits, 'loopback', metrics)
  const observers = { logger: silentLogger, metrics, limits, trustProxy: 'loopback' }
  const batchGetProducts: BatchGetProducts = async ({ ids }, context) => {
    const found = ids.map(async (id) => {
      try {
        return [(await getProduct({ id }, context)).product].filter((product) => product !== undefined)
      } catch (error) {
        if (codeOf(error) === 'not_found') return []
        throw error
      }
    })
    return { products: (await Promise.all(found)).flat() }
  }
  const server = createGrpcServer(ProductServiceService, { batchGetProducts }, observers)
  return { port: await server.listen(0), [Symbol.asyncDispose]: server.close }
}

const catalogAt = (port: number, options = {}) => grpcProductCatalog(`127.0.0.1:${port}`, options)

/** Opens a catalog on a new product service. */
const openCatalog = async (getProduct: GetProduct) => {
  const stack = new AsyncDisposableStack()
  const { port } = stack.use(await startProducts(getProduct))
  const { find, findMany } = stack.use(catalogAt(port))
  return { find, findMany, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('a product is found with its price in whole cents', async () => {
  await using catalog = await openCatalog(async ({ id }) => ({ product: { ...orwell, id } }))
  assert.deepEqual(await catalog.find(7), {
    id: 7,
    name: '1984',
    category: 'Books',
    stock: 75,
    price: 1_499n,
  })
})

test('a look-up asks only for the fields that a basket needs, not for the description', async () => {
  const masks: unknown[] = []
  using stub = await startProductStub(({ request }, respond) => {
    masks.push(request.readMask)
    respond(null, { products: [orwell] })
  })
  using catalog = catalogAt(stub.port)
  await catalog.find(7)
  assert.deepEqual(masks, [['id', 'name', 'price', 'category', 'stock', 'currency']])
})

test('a free product without stock is found, although protobuf omits both zeros', async () => {
  await using catalog = await openCatalog(async () => ({ product: { ...orwell, price: 0, stock: 0 } }))
  const { price, stock } = await catalog.find(7)
  assert.deepEqual({ price, stock }, { price: 0n, stock: 0 })
})

test('a look-up of an unknown product rejects with product_not_found', async () => {
  await using catalog = await openCatalog(() => Promise.reject(new AppError('not_found', 'no product 7')))
  await assert.rejects(catalog.find(7), hasCode('product_not_found'))
})

test('a look-up rejects with unavailable if the product service limits the rate, and tells operators what to do', async () => {
  const refusal = 'more than 5 reads within 60 s'
  await using catalog = await openCatalog(() => Promise.reject(new AppError('rate_limited', refusal)))
  const error: unknown = await catalog.find(7).catch((reason: unknown) => reason)
  assert.ok(error instanceof AppError)
  assert.deepEqual([error.kind, error.message], ['unavailable', 'the product service is unavailable'])
  assert.match(
    causeOf(error),
    /limits the calls of this service: .* the scope unlimited, or raise RATE_LIMIT_READS .*: more than 5 reads/,
  )
})

test('a look-up rejects with internal if its batch is too large for a response, which a batch of ours never is', async () => {
  await using catalog = await openCatalog(() => Promise.reject(new AppError('payload_too_large', 'secret')))
  await assert.rejects(catalog.find(7), { message: 'unexpected response from the product service' })
})

test('the id of the current request is sent to the product service', async () => {
  const seen: unknown[] = []
  await using catalog = await openCatalog(async () => {
    seen.push(requestContext.getStore()?.requestId)
    return { product: orwell }
  })
  await requestContext.run({ requestId: 'request-1' }, () => catalog.find(7))
  await requestContext.run({ requestId: 'request-2' }, () => catalog.find(7))
  assert.deepEqual(seen, ['request-1', 'request-2'])
})

test('a hundred concurrent look-ups share at most five calls, and each gets its own product', async () => {
  const calls = new Set<unknown>()
  await using catalog = await openCatalog(async ({ id }) => {
    // Each call has its own context.
    calls.add(requestContext.getStore())
    if (id % 10 === 0) throw new AppError('not_found', 'no such product')
    return { product: { ...orwell, id } }
  })
  const results = await Promise.allSettled(Array.from({ length: 100 }, (_, index) => catalog.find(index + 1)))
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') assert.equal(result.value.id, index + 1)
    else assert.ok((index + 1) % 10 === 0 && codeOf(result.reason) === 'product_not_found')
  }
  assert.ok(calls.size <= 5, `${calls.size} calls`)
})

test('several products are found by one call, and unknown ones are left out', async () => {
  const calls: (readonly number[])[] = []
  using stub = await startProductStub(({ request }, respond) => {
    calls.push(request.ids)
    const known = request.ids.filter((id) => id !== 8)
    respond(null, { products: known.map((id) => ({ ...orwell, id })).toReversed() })
  })
  using catalog = catalogAt(stub.port)
  const products = await catalog.findMany([7, 8, 9])
  assert.deepEqual(calls, [[7, 8, 9]])
  assert.deepEqual(
    [...products].map(([id, { id: ofProduct, price }]) => [id, ofProduct, price]),
    [
      [7, 7, 1_499n],
      [9, 9, 1_499n],
    ],
  )
})

test('several products are not found if one is malformed, and the look-ups of others are', async () => {
  await using catalog = await openCatalog(async ({ id }) => ({
    product: { ...orwell, id, price: id === 2 ? 14.999 : 14.99 },
  }))
  const [several, others, one] = await Promise.allSettled([
    catalog.findMany([1, 2]),
    catalog.findMany([1, 3]),
    catalog.find(1),
  ])
  assert.ok(several.status === 'rejected' && codeOf(several.reason) === 'internal')
  assert.deepEqual([others.status, one.status], ['fulfilled', 'fulfilled'])
})

test('a malformed product does not affect the other products of its batch', async () => {
  await using catalog = await openCatalog(async ({ id }) => ({
    product: { ...orwell, id, price: id === 2 ? 14.999 : 14.99 },
  }))
  const results = await Promise.allSettled([1, 2, 3].map((id) => catalog.find(id)))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('a product of another currency is unavailable, and operators are told what to do; the other products are found', async () => {
  await using products = await startProducts(async ({ id }) => ({
    product: { ...orwell, id, currency: id === 2 ? 'USD' : 'CHF' },
  }))
  using catalog = catalogAt(products.port, { currency: 'CHF' })
  const [first, second] = await Promise.allSettled([catalog.find(1), catalog.find(2)])
  assert.equal(first?.status, 'fulfilled')
  const error: unknown = second?.status === 'rejected' ? second.reason : undefined
  assert.ok(error instanceof AppError)
  assert.deepEqual([error.kind, error.message], ['unavailable', 'the product service is unavailable'])
  assert.match(
    causeOf(error),
    /has prices in USD, and this service in CHF: set CURRENCY to the same value for both services/,
  )
})

test('a product service of 0.1.0 sends no currency, and its products are found', async () => {
  await using products = await startProducts(async ({ id }) => ({ product: { ...orwell, id, currency: '' } }))
  using catalog = catalogAt(products.port, { currency: 'CHF' })
  assert.equal((await catalog.find(7)).id, 7)
})

test('the probe fails while a product that was asked for has another currency', async () => {
  let product: typeof orwell | undefined = { ...orwell, currency: 'USD' }
  const startServer = async () => {
    const metrics = createMetrics('product-service', '0')
    const limits = createLimits(defaultLimits, 'loopback', metrics)
    const observers = { logger: silentLogger, metrics, limits, trustProxy: 'loopback' }
    const health = grpcHealth(createHealth('product-service', '0', []), 'product.ProductService')
    const batchGetProducts: BatchGetProducts = async () => ({
      products: product === undefined ? [] : [product],
    })
    const server = createGrpcServer(ProductServiceService, { batchGetProducts }, observers, [health])
    await health.refresh()
    return { port: await server.listen(0), [Symbol.asyncDispose]: server.close }
  }
  await using server = await startServer()
  using catalog = catalogAt(server.port)
  await catalog.probe()
  for (const fixed of [{ ...orwell }, undefined]) {
    product = { ...orwell, currency: 'USD' }
    await assert.rejects(catalog.find(7), hasCode('unavailable'))
    for (let probe = 0; probe < 2; probe++)
      await assert.rejects(catalog.probe(), /the product service has prices in USD, and this service in EUR/)
    product = fixed
    await catalog.probe()
    await catalog.probe()
  }
})

const faults: Record<string, GetProduct> = {
  'the product service has a bug': () => Promise.reject(new Error('secret')),
  'a price has fractions of a cent': async () => ({ product: { ...orwell, price: 14.999 } }),
  'a price is not a number': async () => ({ product: { ...orwell, price: Number.NaN } }),
  'the product service rejects the id': () => Promise.reject(new AppError('invalid', 'secret')),
}

for (const [fault, getProduct] of Object.entries(faults))
  test(`a look-up rejects with an internal error if ${fault}`, async () => {
    await using catalog = await openCatalog(getProduct)
    await assert.rejects(catalog.find(7), (error) => codeOf(error) === 'internal')
  })

test('the probe reflects the health that the product service reports', async () => {
  let isUp = true
  const dependency = { name: 'postgres', required: true, probe: async () => assert.ok(isUp) }
  const health = grpcHealth(createHealth('product-service', '0', [dependency]), 'product.ProductService')
  const metrics = createMetrics('product-service', '0')
  const limits = createLimits(defaultLimits, 'loopback', metrics)
  const observers = { logger: silentLogger, metrics, limits, trustProxy: 'loopback' }
  const server = createGrpcServer(ProductServiceService, {}, observers, [health])
  using catalog = catalogAt(await server.listen(0))
  await health.refresh()
  await catalog.probe()
  isUp = false
  await health.refresh()
  await assert.rejects(catalog.probe(), /not serving/)
  await server.close()
})

test('products are found soon after a network failure, although TCP and grpc-js still wait for the old connection', async () => {
  await using products = await startProducts(async ({ id }) => ({ product: { ...orwell, id } }))
  const silentPort = await freePort()
  await using silent = silentServerOn(silentPort)
  await silent.start()
  using proxy = await startProxy(silentPort)
  using catalog = catalogAt(proxy.port)
  await assert.rejects(catalog.find(7), hasCode('unavailable'))
  // Only a new connection reaches the product service.
  proxy.redirectTo(products.port)
  await eventually(20_000, async () => assert.equal((await catalog.find(7)).id, 7))
  await catalog.probe()
})

test('a product service that hangs gets a new connection every two seconds, and the previous one is closed', async () => {
  const open = new Set<Socket>()
  let connections = 0
  const hung = createServer((socket) => {
    connections += 1
    open.add(socket.resume())
    socket.on('error', () => {}).on('close', () => open.delete(socket))
  }).listen(0, '127.0.0.1')
  await once(hung, 'listening')
  const address = hung.address()
  assert.ok(typeof address === 'object' && address !== null)
  using catalog = catalogAt(address.port)
  await eventually(20_000, async () => {
    await assert.rejects(catalog.find(7), hasCode('unavailable'))
    assert.ok(connections >= 3)
  })
  await eventually(5_000, async () => assert.equal(open.size, 1))
  for (const socket of open) socket.destroy()
  hung.close()
})
