import assert from 'node:assert/strict'
import { it, mock } from 'node:test'
import { status } from '@grpc/grpc-js'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { startService } from '../support/grpc.ts'
import { rawConnection } from '../support/raw-grpc.ts'

const method = 'product.ProductService/GetProduct'

it('headers that are not legal metadata are not written anywhere, and credentials among them are refused', async () => {
  const written = mock.method(process.stderr, 'write', () => true)
  const received: (string | undefined)[] = []
  await using service = await startService(async () => ({ product: undefined }), {
    identify: (authorization) => {
      received.push(authorization)
      throw unauthenticated('no')
    },
  })
  using connection = rawConnection(service.port)
  for (const headers of [
    { authorization: 'Bearer\tsecret' },
    { authorization: 'Bearer secrét' },
    { 'x-request-id': 'secrét', 'x-secret': 'secret\t', 'x!secret': 'secret' },
  ]) {
    const { ended } = connection.call(method, { message: Buffer.alloc(0), headers })
    assert.equal((await ended).status, status.UNAUTHENTICATED)
  }
  assert.deepEqual(received, ['Bearer?secret', 'Bearer secr?t', undefined])
  assert.equal(written.mock.callCount(), 0)
  assert.doesNotMatch(JSON.stringify(service.lines), /secret/)
  written.mock.restore()
})
