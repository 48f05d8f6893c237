import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { ServerCredentials, status } from '@grpc/grpc-js'
import { type ProductServiceServer, ProductServiceService } from '@shop/contracts/product/product.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { forbidden, unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { causeOf } from '@shop/platform/failure.ts'
import { grpcHealth } from '@shop/platform/grpc/health-and-reflection.ts'
import { createGrpcServer, type Rpcs } from '@shop/platform/grpc/server.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { grpcProductCatalog } from '../../src/infrastructure/grpc-product-catalog.ts'
import { ownFolder } from '../support/baskets.ts'

const key = 'shop_of-the-basket-service'
const service: Principal = { kind: 'machine', name: 'basket-service', scopes: new Set(['stock:hold']) }

type Accept = (context: Readonly<{ principal: Principal }>) => void

/** A product service that knows one key, and refuses others. */
const startProducts = async (accept: Accept = () => {}) => {
  const seen: (string | undefined)[] = []
  const principals: string[] = []
  const identify = (authorization: string | undefined): Principal => {
    seen.push(authorization)
    if (authorization === undefined) return anonymous
    if (authorization !== `Bearer ${key}`) throw unauthenticated('the credentials are not valid')
    return service
  }
  const batchGetProducts: Rpcs<ProductServiceServer>['batchGetProducts'] = async ({ ids }, context) => {
    principals.push(context.principal.kind)
    accept(context)
    return { products: ids.map((id) => ({ ...orwell, id })) }
  }
  const observers = { logger: silentLogger, metrics: createMetrics('product-service', '0'), identify }
  const health = grpcHealth(createHealth('product-service', '0', []), 'product.ProductService')
  const server = createGrpcServer(ProductServiceService, { batchGetProducts }, observers, [health])
  await health.refresh()
  return { port: await server.listen(0), seen, principals, [Symbol.asyncDispose]: server.close }
}

const catalogAt = (port: number, token?: () => string) => grpcProductCatalog(`127.0.0.1:${port}`, { token })

const rejectionOf = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    await call
  } catch (error) {
    return error
  }
  return assert.fail('the call succeeded')
}

describe('the token of the basket service', () => {
  it('is sent with each call, as its own identity', async () => {
    await using products = await startProducts()
    using catalog = catalogAt(products.port, () => key)
    assert.equal((await catalog.find(7)).id, 7)
    assert.equal((await catalog.find(8)).id, 8)
    assert.deepEqual(products.seen, [`Bearer ${key}`, `Bearer ${key}`])
    assert.deepEqual(products.principals, ['machine', 'machine'])
  })

  it('is not needed for reads, and nothing is sent without one', async () => {
    await using products = await startProducts()
    using catalog = catalogAt(products.port)
    await catalog.find(7)
    assert.deepEqual([products.seen, products.principals], [[undefined], ['anonymous']])
  })

  it('that the product service refuses makes it unavailable, opens the circuit breaker, and the cause says what to do', async () => {
    await using products = await startProducts()
    using catalog = catalogAt(products.port, () => 'shop_forgotten')
    const error = await rejectionOf(catalog.find(7))
    assert.ok(hasCode('unavailable')(error))
    assert.match(
      causeOf(error),
      /: the product service does not accept the credentials of this service: put an API key/,
    )
    for (let call = 0; call < 4; call++) await assert.rejects(catalog.find(7), hasCode('unavailable'))
    assert.match(causeOf(await rejectionOf(catalog.find(7))), /the circuit breaker is open/)
    assert.equal(products.seen.length, 5)
    await catalog.probe()
  })

  it('that lacks a scope makes it unavailable too, with another cause', async () => {
    await using products = await startProducts(() => {
      throw forbidden('this needs the scope products:read')
    })
    using catalog = catalogAt(products.port, () => key)
    const error = await rejectionOf(catalog.find(7))
    assert.ok(hasCode('unavailable')(error))
    assert.match(
      causeOf(error),
      /does not allow its call: give the API key or token .* the scope that is missing/,
    )
  })

  it('is in no error, even if the product service repeats it in its error', async () => {
    using stub = await startProductStub(
      ({ metadata }, respond) => {
        const [sent] = metadata.get('authorization')
        const echo = metadata.clone()
        echo.set('x-authorization', String(sent))
        respond({ code: status.UNAUTHENTICATED, details: `unknown: ${String(sent)}`, metadata: echo })
      },
      { credentials: ServerCredentials.createInsecure() },
    )
    using catalog = catalogAt(stub.port, () => key)
    const error = await rejectionOf(catalog.find(7))
    assert.doesNotMatch(inspect(error, { depth: 10, showHidden: true }), new RegExp(key))
    const { logger, lines } = recordingLogger()
    logger.error({ err: error }, 'failed')
    assert.match(JSON.stringify(lines), /unknown: Bearer \[Redacted\]/)
    assert.doesNotMatch(JSON.stringify(lines), new RegExp(key))
  })

  it('that is replaced in its file is used for the next call, without a restart', async () => {
    await using products = await startProducts()
    await using folder = await ownFolder()
    const path = join(folder.path, 'token')
    await writeFile(path, 'shop_old\n')
    const { logger, lines } = recordingLogger()
    await using adapters = await openAdapters({
      config: {
        storage: { kind: 'embedded', file: join(folder.path, 'baskets.sqlite') },
        ttlSeconds: 60,
        currency: 'EUR',
        productService: {
          address: `127.0.0.1:${products.port}`,
          token: { variable: 'PRODUCT_SERVICE_TOKEN_FILE', path },
        },
      },
      logger,
    })
    const { catalog } = adapters.ports
    assert.ok((await rejectionOf(catalog.find(7))) instanceof AppError)
    await writeFile(path, `${key}\n`)
    const [job] = adapters.jobs ?? []
    await job?.work(new AbortController().signal)
    await eventually(5_000, async () => assert.equal((await catalog.find(7)).id, 7))
    assert.doesNotMatch(JSON.stringify(lines), /shop_/)
  })
})
