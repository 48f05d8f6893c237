import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Metadata, status } from '@grpc/grpc-js'
import { AppError, codeOf } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { callUnary } from '../../src/grpc/client.ts'
import { batchByKey } from '../../src/limits/batches/batch-by-key.ts'
import { requestContext } from '../../src/request-context.ts'
import { openClient, startService } from '../support/grpc.ts'

const identity = (data: Buffer): Buffer => data

/** Returns a message of exactly this many bytes. It has one unknown field, as a newer client may send. */
const unknownField = (bytes: number): Buffer => {
  const length = bytes - 4
  const header = [0x7a, (length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14]
  return Buffer.concat([Buffer.from(header), Buffer.alloc(length)])
}

const noProduct = { product: undefined }

/** The tests call over loopback. */
const trusting = { trustProxy: 'loopback' }

describe('a gRPC call', () => {
  it('delivers the request and returns the response', async () => {
    const product = {
      id: 7,
      name: '1984 😀',
      description: '',
      price: 9_999_999_999.99,
      stock: 2_147_483_647,
      category: 'Books',
      createdAt: '2026-11-22T09:58:00.123Z',
      updatedAt: '2026-11-22T09:58:00.123Z',
      version: 3,
      currency: 'EUR',
      groupId: '',
    }
    await using service = await startService(async ({ id }) => ({ product: { ...product, id } }))
    using client = openClient(service.port)
    assert.deepEqual(await client.getProduct(42), { product: { ...product, id: 42 } })
  })

  it('sends the id of the current request, or a new one outside of a request', async () => {
    const requestIds: (string | undefined)[] = []
    await using service = await startService(async () => {
      await delay(1)
      requestIds.push(requestContext.getStore()?.requestId)
      return noProduct
    }, trusting)
    using client = openClient(service.port)
    await requestContext.run({ requestId: 'req-1' }, () => client.getProduct(7))
    await client.getProduct(7)
    assert.equal(requestIds[0], 'req-1')
    assert.match(String(requestIds[1]), /^[0-9a-f-]{36}$/, 'a new id outside of a request')
  })

  it('receives its request id in the metadata, or a new one if it sent an invalid id', async () => {
    await using service = await startService(async () => noProduct, trusting)
    using caller = openClient(service.port)
    const returnedId = async (id: string) => {
      const sent = new Metadata()
      sent.set('x-request-id', id)
      const call = caller.client.getProduct({ id: 7 }, sent, () => {})
      const [received]: Metadata[] = await once(call, 'metadata')
      return received?.get('x-request-id')[0]
    }
    assert.equal(await returnedId('req-1'), 'req-1')
    assert.equal(await returnedId('two words'), 'two words')
    assert.match(String(await returnedId('A'.repeat(129))), /^[0-9a-f-]{36}$/)
  })

  it('is measured and logged once, with its method and status', async () => {
    await using service = await startService(async ({ id }) => {
      await delay(20)
      if (id === 0) throw new AppError('not_found', 'product 0 not found')
      return noProduct
    })
    using client = openClient(service.port)
    await client.getProduct(7)
    await assert.rejects(client.getProduct(0), { code: 'not_found' })

    const text = await service.metrics.registry.metrics()
    const seriesOf = (name: string) => text.split('\n').filter((line) => line.startsWith(name))
    const labels = 'service="test-service",rpc_method="product.ProductService/GetProduct"'
    assert.deepEqual(seriesOf('rpc_server_call_duration_seconds_count'), [
      `rpc_server_call_duration_seconds_count{${labels},rpc_response_status_code="OK"} 1`,
      `rpc_server_call_duration_seconds_count{${labels},rpc_response_status_code="NOT_FOUND"} 1`,
    ])
    const seconds = Number(seriesOf('rpc_server_call_duration_seconds_sum')[0]?.split(' ').at(-1))
    assert.ok(seconds > 0.015 && seconds < 15, `${seconds} s`)

    const logged = service.lines.map((line) => [
      line['msg'],
      line['rpc'],
      line['status'],
      Number(line['duration_ms']) > 15,
    ])
    assert.deepEqual(logged, [
      ['call', 'product.ProductService/GetProduct', 'OK', true],
      ['call', 'product.ProductService/GetProduct', 'NOT_FOUND', true],
    ])
  })

  it('rejects with `invalid` when its message cannot be decoded or contains a string that is not UTF-8', async () => {
    await using service = await startService(async () => noProduct)
    using caller = openClient(service.port)
    const errorFrom = (path: string, bytes: readonly number[]) =>
      new Promise<[status | undefined, unknown]>((resolve) => {
        caller.client.makeUnaryRequest(path, identity, identity, Buffer.from(bytes), (error) =>
          resolve([error?.code, error?.metadata.get('error-code')[0]]),
        )
      })
    const get = '/product.ProductService/GetProduct'
    assert.deepEqual(await errorFrom(get, [0x08]), [status.INVALID_ARGUMENT, 'invalid'], 'truncated')
    assert.deepEqual(await errorFrom(get, [0x08, 0x07]), [undefined, undefined])
    // A name that is not UTF-8, one that contains a lone surrogate, and a valid one.
    const { CreateProductRequest } = await import('@shop/contracts/product/product.ts')
    assert.throws(() => CreateProductRequest.decode(Buffer.from([0x0a, 0x02, 0xff, 0x61])), TypeError)
    assert.throws(() => CreateProductRequest.decode(Buffer.from([0x0a, 0x03, 0xed, 0xa0, 0x80])), TypeError)
    assert.equal(CreateProductRequest.decode(Buffer.from([0x0a, 0x04, 0xf0, 0x9f, 0x98, 0x80])).name, '😀')
  })

  it('sends the ids of all requests that wait for it', async () => {
    const seen: unknown[] = []
    await using service = await startService(async () => {
      const { requestId, joinedIds } = requestContext.getStore() ?? {}
      seen.push([requestId, joinedIds?.()])
      return noProduct
    }, trusting)
    using client = openClient(service.port)
    const load = async (ids: readonly number[]) => {
      await client.getProduct(7)
      return [...ids]
    }
    const { find } = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const from = (requestId: string) => requestContext.run({ requestId }, () => find(7))
    await Promise.all(['a', 'b', 'a', 'c'].map(from))
    await Promise.all(['my id', 'with  two', 'e', 'a, b'].map(from))
    await from('d')
    assert.deepEqual(seen, [
      ['a', ['b', 'c']],
      ['my id', ['e', 'with  two', 'a, b']],
      ['d', undefined],
    ])
    assert.equal(service.lines.length, 3)
  })

  it('is refused when its message exceeds 64 KiB', async () => {
    await using service = await startService(async () => noProduct)
    using caller = openClient(service.port)
    const statusOf = (bytes: number) =>
      new Promise<status | undefined>((resolve) => {
        const path = '/product.ProductService/GetProduct'
        caller.client.makeUnaryRequest(path, identity, identity, unknownField(bytes), (error) =>
          resolve(error?.code),
        )
      })
    assert.equal(await statusOf(65_536), undefined)
    assert.equal(await statusOf(65_537), status.RESOURCE_EXHAUSTED)
  })
})

describe('a gRPC call that fails', () => {
  const genericError = { code: 'unavailable', message: 'the called service did not respond' }

  it('rejects with `unavailable` when its deadline passes', async () => {
    await using service = await startService(() =>
      delay(60_000, noProduct, { signal: requestContext.getStore()?.signal }),
    )
    using client = openClient(service.port)
    const started = performance.now()
    await assert.rejects(client.getProduct(7, 100), genericError)
    const waited = performance.now() - started
    assert.ok(waited > 90 && waited < 30_000, `waited ${waited} ms`)
  })

  it('aborts the signal in the service when its deadline passes', async () => {
    const aborted = Promise.withResolvers<unknown>()
    await using service = await startService(
      () =>
        new Promise((_resolve, reject) => {
          const signal = requestContext.getStore()?.signal
          signal?.addEventListener('abort', () => {
            aborted.resolve(codeOf(signal.reason))
            reject(signal.reason)
          })
        }),
    )
    using client = openClient(service.port)
    await assert.rejects(client.getProduct(7, 50), genericError)
    assert.equal(await aborted.promise, 'unavailable')
    await service.close()
    const [line, ...more] = service.lines
    assert.deepEqual([line?.['msg'], more], ['call', []])
    // Both sides enforce the deadline within microseconds of each other, so either may be first.
    assert.match(String(line?.['status']), /^(DEADLINE_EXCEEDED|CANCELLED)$/)
  })

  it('rejects with `unavailable` immediately when the connection is refused, and does not reveal the address', async () => {
    using client = openClient(1)
    const started = performance.now()
    await assert.rejects(client.getProduct(7, 60_000), genericError)
    assert.ok(performance.now() - started < 30_000)
  })

  it('is followed by a successful call soon after the service restarts', async () => {
    const before = await startService(async () => noProduct)
    using client = openClient(before.port)
    await client.getProduct(7)
    await before.close()
    await assert.rejects(client.getProduct(7), genericError)

    const after = await startService(async () => noProduct, { port: before.port })
    await eventually(20_000, () => client.getProduct(7))
    await after.close()
  })

  it('rejects with `internal` when the service does not implement its method', async () => {
    await using service = await startService(async () => noProduct)
    using caller = openClient(service.port)
    const { client } = caller
    await assert.rejects(
      callUnary(client.batchGetProducts.bind(client), { ids: [7], readMask: undefined }, 5_000),
      {
        code: 'internal',
      },
    )
  })
})
