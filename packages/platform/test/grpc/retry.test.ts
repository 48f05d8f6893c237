import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { type BatchGetProducts, startProductStub } from '@shop/testing/services/raw-products.ts'
import { channelTo } from '../../src/grpc/channel.ts'
import { callUnary } from '../../src/grpc/client.ts'
import { startService } from '../support/grpc.ts'
import { openReader } from '../support/product-reader.ts'

const noProducts = { products: [] }
const unavailable = { code: 'unavailable' }

/** Creates a handler that sends these responses in order, repeating the last one, and counts its calls. */
const respondWith = (...responses: readonly (typeof noProducts | status)[]) => {
  const counter = { calls: 0 }
  const handler: BatchGetProducts = (_call, callback) => {
    const response = responses[Math.min(counter.calls, responses.length - 1)]
    counter.calls += 1
    if (typeof response === 'object') callback(null, response)
    else callback({ code: response ?? status.UNKNOWN })
  }
  return { counter, handler }
}

describe('a gRPC read', () => {
  it('is retried when the server is unavailable, without an error for the caller', async () => {
    const { counter, handler } = respondWith(status.UNAVAILABLE, noProducts)
    using server = await startProductStub(handler)
    using reader = openReader(`127.0.0.1:${server.port}`)
    assert.deepEqual(await reader.get(), noProducts)
    assert.equal(counter.calls, 2)
  })

  it('is retried when a use case throws an unavailable error', async () => {
    let calls = 0
    await using service = await startService(async () => {
      calls += 1
      if (calls === 1) throw new AppError('unavailable', 'the database is down')
      return { product: undefined }
    })
    const { path } = ProductServiceService.getProduct
    const client = new ProductServiceClient(...channelTo(`127.0.0.1:${service.port}`, [path]))
    await callUnary(client.getProduct.bind(client), { id: 7 }, 20_000)
    client.close()
    assert.equal(calls, 2)
  })

  it('is attempted at most three times', async () => {
    const { counter, handler } = respondWith(status.UNAVAILABLE)
    using server = await startProductStub(handler)
    using reader = openReader(`127.0.0.1:${server.port}`)
    await assert.rejects(reader.get(), unavailable)
    assert.equal(counter.calls, 3)
  })

  for (const code of [
    status.INVALID_ARGUMENT,
    status.NOT_FOUND,
    status.FAILED_PRECONDITION,
    status.ABORTED,
    status.DEADLINE_EXCEEDED,
    status.RESOURCE_EXHAUSTED,
    status.UNKNOWN,
    status.INTERNAL,
  ])
    it(`is not retried after ${status[code]}`, async () => {
      const { counter, handler } = respondWith(code, noProducts)
      using server = await startProductStub(handler)
      using reader = openReader(`127.0.0.1:${server.port}`)
      await assert.rejects(reader.get())
      assert.equal(counter.calls, 1)
    })

  it('has one deadline for all attempts', async () => {
    const deadlines: number[] = []
    const cancelled = Promise.withResolvers<void>()
    using server = await startProductStub((call, callback) => {
      deadlines.push(Number(call.getDeadline()))
      if (deadlines.length === 1) setTimeout(() => callback({ code: status.UNAVAILABLE }), 1_000)
      else call.once('cancelled', () => cancelled.resolve())
    })
    using reader = openReader(`127.0.0.1:${server.port}`)
    await assert.rejects(reader.get(3_000), unavailable)
    await cancelled.promise
    const [first = 0, second = 0, ...more] = deadlines
    assert.deepEqual(more, [])
    // The second attempt starts one second after the first, but has the same deadline.
    assert.ok(second - first < 500, `${second - first} ms later`)
  })

  it('is no longer retried during an outage, because retries would multiply the load', async () => {
    const { counter, handler } = respondWith(status.UNAVAILABLE)
    using server = await startProductStub(handler)
    using reader = openReader(`127.0.0.1:${server.port}`)
    for (let reads = 0; reads < 30; reads++) await assert.rejects(reader.get(), unavailable)
    assert.ok(counter.calls < 40, `${counter.calls} calls for 30 reads`)
  })
})

it('a gRPC call that is not declared as a read is never retried', async () => {
  const { counter, handler } = respondWith(status.UNAVAILABLE)
  using server = await startProductStub(handler)
  using writer = openReader(`127.0.0.1:${server.port}`, [])
  await assert.rejects(writer.get(), unavailable)
  assert.equal(counter.calls, 1)
})
