import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { type BatchGetProducts, startRaw } from '@shop/testing/services/raw-products.ts'
import { channelTo } from '../../src/grpc/channel.ts'
import { callUnary } from '../../src/grpc/client.ts'
import { startService } from '../support/grpc.ts'
import { openReader } from '../support/product-reader.ts'

const nothing = { products: [] }
const unavailable = { code: 'unavailable' }

/** Answers the calls by these, one after the other, and all that follow by the last; counts them. */
const inTurn = (...answers: readonly (typeof nothing | status)[]) => {
  const counted = { calls: 0 }
  const answer: BatchGetProducts = (_call, callback) => {
    const turn = answers[Math.min(counted.calls, answers.length - 1)]
    counted.calls += 1
    if (typeof turn === 'object') callback(null, turn)
    else callback({ code: turn ?? status.UNKNOWN })
  }
  return { counted, answer }
}

describe('a read over gRPC', () => {
  it('that is not answered is tried again, and the caller does not notice', async () => {
    const { counted, answer } = inTurn(status.UNAVAILABLE, nothing)
    using server = await startRaw(answer)
    using reader = openReader(`127.0.0.1:${server.port}`)
    assert.deepEqual(await reader.get(), nothing)
    assert.equal(counted.calls, 2)
  })

  it('that our own server cannot answer is tried again, too', async () => {
    let calls = 0
    await using service = await startService(async () => {
      calls += 1
      if (calls === 1) throw new AppError('unavailable', 'the database is gone')
      return { product: undefined }
    })
    const { path } = ProductServiceService.getProduct
    const client = new ProductServiceClient(...channelTo(`127.0.0.1:${service.port}`, [path]))
    await callUnary(client.getProduct.bind(client), { id: 7 }, 20_000)
    client.close()
    assert.equal(calls, 2)
  })

  it('is tried three times, and no more', async () => {
    const { counted, answer } = inTurn(status.UNAVAILABLE)
    using server = await startRaw(answer)
    using reader = openReader(`127.0.0.1:${server.port}`)
    await assert.rejects(reader.get(), unavailable)
    assert.equal(counted.calls, 3)
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
    it(`that is answered with ${status[code]} has its answer, and is not tried again`, async () => {
      const { counted, answer } = inTurn(code, nothing)
      using server = await startRaw(answer)
      using reader = openReader(`127.0.0.1:${server.port}`)
      await assert.rejects(reader.get())
      assert.equal(counted.calls, 1)
    })

  it('has one deadline for all its attempts', async () => {
    const deadlines: number[] = []
    const ended = Promise.withResolvers<void>()
    using server = await startRaw((call, callback) => {
      deadlines.push(Number(call.getDeadline()))
      if (deadlines.length === 1) setTimeout(() => callback({ code: status.UNAVAILABLE }), 1_000)
      else call.once('cancelled', () => ended.resolve())
    })
    using reader = openReader(`127.0.0.1:${server.port}`)
    await assert.rejects(reader.get(3_000), unavailable)
    await ended.promise
    const [first = 0, second = 0, ...more] = deadlines
    assert.deepEqual(more, [])
    // The second attempt began a second after the first, and was to end with it.
    assert.ok(second - first < 500, `${second - first} ms later`)
  })

  it('is not tried again in an outage, which would be multiplied', async () => {
    const { counted, answer } = inTurn(status.UNAVAILABLE)
    using server = await startRaw(answer)
    using reader = openReader(`127.0.0.1:${server.port}`)
    for (let reads = 0; reads < 30; reads++) await assert.rejects(reader.get(), unavailable)
    assert.ok(counted.calls < 40, `${counted.calls} calls for 30 reads`)
  })
})

it('a call over gRPC that is not known to be a read is never sent twice', async () => {
  const { counted, answer } = inTurn(status.UNAVAILABLE)
  using server = await startRaw(answer)
  using writer = openReader(`127.0.0.1:${server.port}`, [])
  await assert.rejects(writer.get(), unavailable)
  assert.equal(counted.calls, 1)
})
