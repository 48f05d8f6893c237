import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { describe, it } from 'node:test'
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js'
import { openClient, startService } from '../support/grpc.ts'

const noProduct = { product: undefined }

/** A service whose call, once `begun`, ends when it is told to. */
const startHeld = async () => {
  const begun = Promise.withResolvers<void>()
  const released = Promise.withResolvers<typeof noProduct>()
  const service = await startService(() => {
    begun.resolve()
    return released.promise
  })
  return { ...service, begun: begun.promise, release: () => released.resolve(noProduct) }
}

describe('a gRPC server', () => {
  it('lets a running call finish when it closes, and takes no other', async () => {
    const service = await startHeld()
    using client = openClient(service.port)
    using other = openClient(service.port)
    const answer = client.getProduct(7)
    await service.begun
    const closed = service.close()
    await assert.rejects(other.getProduct(7), { code: 'unavailable' })
    service.release()
    assert.deepEqual(await answer, noProduct)
    await closed
  })

  it('cuts off after eight seconds a call that does not end', async ({ mock }) => {
    const service = await startHeld()
    using client = openClient(service.port)
    const refused = assert.rejects(client.getProduct(7, 60_000), { code: 'unavailable' })
    await service.begun
    mock.timers.enable({ apis: ['setTimeout'] })
    // The server waits by an import from node:timers/promises, which is bound to the real clock until then.
    syncBuiltinESMExports()
    const closed = service.close().then(() => 'closed')
    mock.timers.tick(7_999)
    assert.equal(
      await Promise.race([closed, new Promise((resolve) => setImmediate(resolve, 'open'))]),
      'open',
    )
    mock.timers.tick(1)
    await closed
    mock.timers.reset()
    syncBuiltinESMExports()
    await refused
  })

  it('refuses calls while it has too many, without a line of the log for each at error', async () => {
    let overloaded = true
    await using service = await startService(
      async () => noProduct,
      0,
      () => overloaded,
    )
    using client = openClient(service.port)
    await assert.rejects(client.getProduct(7), { code: 'unavailable', message: /overloaded/ })
    assert.deepEqual(
      service.lines.map(({ level }) => level),
      [30],
    )
    overloaded = false
    assert.deepEqual(await client.getProduct(7), noProduct)
  })

  it('says which port is taken', async () => {
    setLogVerbosity(logVerbosity.NONE)
    await using service = await startService(async () => noProduct)
    await assert.rejects(
      startService(async () => noProduct, service.port),
      { code: 'EADDRINUSE', port: service.port },
    )
  })
})
