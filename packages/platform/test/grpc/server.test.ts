import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { describe, it } from 'node:test'
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js'
import { openClient, startService } from '../support/grpc.ts'

const noProduct = { product: undefined }

/** Starts a service whose calls wait for `release()`; `called` resolves at the first call. */
const startBlockedService = async () => {
  const called = Promise.withResolvers<void>()
  const released = Promise.withResolvers<typeof noProduct>()
  const service = await startService(() => {
    called.resolve()
    return released.promise
  })
  return { ...service, called: called.promise, release: () => released.resolve(noProduct) }
}

describe('a gRPC server', () => {
  it('finishes a running call when it closes, and accepts no new ones', async () => {
    const service = await startBlockedService()
    using client = openClient(service.port)
    using other = openClient(service.port)
    const response = client.getProduct(7)
    await service.called
    const closed = service.close()
    await assert.rejects(other.getProduct(7), { code: 'unavailable' })
    service.release()
    assert.deepEqual(await response, noProduct)
    await closed
  })

  it('aborts calls that are still running eight seconds after it starts to close', async ({ mock }) => {
    const service = await startBlockedService()
    using client = openClient(service.port)
    const refused = assert.rejects(client.getProduct(7, 60_000), { code: 'unavailable' })
    await service.called
    mock.timers.enable({ apis: ['setTimeout'] })
    // Otherwise the server's import from node:timers/promises stays bound to the real clock.
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

  it('refuses calls while overloaded, and logs them at level info', async () => {
    let overloaded = true
    await using service = await startService(async () => noProduct, { isOverloaded: () => overloaded })
    using client = openClient(service.port)
    await assert.rejects(client.getProduct(7), { code: 'unavailable', message: /overloaded/ })
    assert.deepEqual(
      service.lines.map(({ level }) => level),
      [30],
    )
    overloaded = false
    assert.deepEqual(await client.getProduct(7), noProduct)
  })

  it('rejects with EADDRINUSE and the port when the port is in use', async () => {
    setLogVerbosity(logVerbosity.NONE)
    await using service = await startService(async () => noProduct)
    await assert.rejects(
      startService(async () => noProduct, { port: service.port }),
      { code: 'EADDRINUSE', port: service.port },
    )
  })
})
