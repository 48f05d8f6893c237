import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openClient, startService } from '../support/grpc.ts'
import { stall } from '../support/stall.ts'

describe('the deadline of a call', () => {
  it('does not count time in which the caller is stalled', async () => {
    await using service = await startService(async () => ({ product: undefined }))
    using client = openClient(service.port)
    await client.getProduct(1)
    const response = client.getProduct(2, 2_000)
    // The server too, because it is the same process.
    stall(2_200)
    await response
  })

  it('ends a call without a response with DEADLINE_EXCEEDED', async () => {
    await using service = await startService(() => new Promise(() => {}))
    using client = openClient(service.port)
    await assert.rejects(client.getProduct(1, 300), (error) => {
      assert.ok(error instanceof Error && error.cause instanceof Error)
      assert.equal(error.cause.message, '4 DEADLINE_EXCEEDED: no response within 300 ms')
      return true
    })
  })
})
