import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js'
import {
  CreateProductRequest,
  ProductServiceClient,
  ProductServiceService,
} from '@shop/contracts/product/product.ts'
import { systemContext } from '@shop/kernel/context.ts'
import type { Idempotency } from '@shop/kernel/idempotency.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { keyedCall } from '../../src/grpc/calls/keyed-call.ts'
import { createGrpcServer } from '../../src/grpc/server.ts'
import { createLimits, defaultLimits } from '../../src/limits/limits.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'

const { createProduct, updateProduct, deleteProduct } = ProductServiceService
const rpc = createProduct

describe('request_id', () => {
  const seen: (Idempotency | undefined)[] = []
  let client: ProductServiceClient
  const stack = new AsyncDisposableStack()
  before(async () => {
    const metrics = createMetrics('product-service', '0')
    const limits = createLimits(defaultLimits, 'loopback', metrics)
    const observers = { logger: silentLogger, metrics, limits, trustProxy: 'loopback' }
    const handler = async (request: CreateProductRequest, context: Parameters<typeof keyedCall>[0]) => {
      const { idempotency } = keyedCall(context, rpc, request)
      seen.push(idempotency)
      if (request.name === 'replay') idempotency?.markReplayed()
      return { product: undefined }
    }
    const server = createGrpcServer(ProductServiceService, { createProduct: handler }, observers)
    stack.defer(() => server.close())
    client = new ProductServiceClient(`127.0.0.1:${await server.listen(0)}`, credentials.createInsecure())
    stack.defer(() => client.close())
  })
  after(() => stack.disposeAsync())

  /** Calls with the fields, and resolves with the metadata of the response. */
  const call = async (fields: Partial<CreateProductRequest>): Promise<Metadata> => {
    let metadata: Metadata | undefined
    const request = CreateProductRequest.create(fields)
    await new Promise<void>((resolve, reject) => {
      const sent = client.createProduct(request, (error) => (error ? reject(error) : resolve()))
      void once(sent, 'metadata').then(([received]) => (metadata = received))
    })
    return metadata ?? assert.fail('no metadata')
  }

  const keyOf = async (fields: Partial<CreateProductRequest>) => {
    await call(fields)
    return seen.pop()
  }

  it('is no key if it is empty, and otherwise a hash like that of Idempotency-Key', async () => {
    assert.equal(await keyOf({ name: 'x' }), undefined)
    const { key } = (await keyOf({ requestId: 'a' })) ?? assert.fail()
    assert.equal(key, 'ypeBEsobvcr6wjGz')
    for (const requestId of [' ', '~', 'x'.repeat(255), '"a"']) assert.ok(await keyOf({ requestId }))
  })

  it('that is too long or has other characters fails with INVALID_ARGUMENT, and no use case runs', async () => {
    const calls = seen.length
    for (const requestId of ['x'.repeat(256), 'é', 'a\nb', 'a\n', '\0', '\x7f', '😀'])
      await assert.rejects(call({ requestId }), (error: ServiceError) => {
        assert.equal(error.code, status.INVALID_ARGUMENT)
        return error.details.includes('request_id must have 1 to 255 printable ASCII characters')
      })
    assert.equal(seen.length, calls)
  })

  it('has a fingerprint of the other fields', async () => {
    const printOf = async (fields: Partial<CreateProductRequest>) => (await keyOf(fields))?.fingerprint
    const fields = { requestId: 'a', name: 'x', price: 1.5 }
    const first = await printOf(fields)
    assert.equal(await printOf({ ...fields, requestId: 'b' }), first)
    const others = [
      first,
      await printOf({ ...fields, price: 1.51 }),
      await printOf({ ...fields, name: 'x ' }),
      await printOf({ ...fields, stock: 1 }),
    ]
    assert.equal(new Set(others).size, others.length)
  })

  it('has another fingerprint in another RPC, whose request may have the same encoding', () => {
    const prints = [createProduct, updateProduct, deleteProduct].map(
      ({ path }) =>
        keyedCall(
          systemContext('r'),
          { path, requestSerialize: () => Buffer.from([8, 1]) },
          { requestId: 'a' },
        ).idempotency?.fingerprint,
    )
    assert.equal(new Set(prints).size, prints.length)
  })

  it('has the same fingerprint in a later version of the contract, for a client that does not know its fields', () => {
    const printBy = (requestSerialize: (request: CreateProductRequest) => Buffer) =>
      keyedCall(systemContext('r'), { path: rpc.path, requestSerialize }, request).idempotency?.fingerprint
    const request = CreateProductRequest.create({ requestId: 'a', name: 'x' })
    const later = (value: CreateProductRequest) => rpc.requestSerialize(Object.assign({ brand: '' }, value))
    assert.equal(printBy(later), printBy(rpc.requestSerialize))
  })

  it('of a replay is said in the metadata of the response, and only then', async () => {
    assert.deepEqual((await call({ requestId: 'a', name: 'replay' })).get('idempotent-replayed'), ['true'])
    assert.deepEqual((await call({ requestId: 'a', name: 'x' })).get('idempotent-replayed'), [])
    assert.deepEqual((await call({ name: 'replay' })).get('idempotent-replayed'), [])
  })
})
