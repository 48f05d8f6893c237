import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { type BatchGetProducts, orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { grpcProductCatalog } from '../../src/infrastructure/grpc-product-catalog.ts'

const catalogAt = (port: number) => grpcProductCatalog(`127.0.0.1:${port}`)

type Catalog = ReturnType<typeof catalogAt>

/**
 * Asserts that a look-up rejects with `unavailable`, and returns the cause: the gRPC status, or `open` if the
 * circuit breaker was open.
 */
const failureOf = async ({ find }: Catalog): Promise<string> => {
  let rootCause: unknown
  await assert.rejects(find(orwell.id), (error) => {
    rootCause = error
    while (rootCause instanceof Error && rootCause.cause !== undefined) rootCause = rootCause.cause
    return hasCode('unavailable')(error)
  })
  if (!(rootCause instanceof Error)) throw new Error('the look-up failed without a cause')
  if (rootCause.message === 'the circuit breaker is open') return 'open'
  return 'code' in rootCause && typeof rootCause.code === 'number'
    ? (status[rootCause.code] ?? '')
    : rootCause.message
}

const untilOpen = (catalog: Catalog) =>
  eventually(20_000, async () => assert.equal(await failureOf(catalog), 'open'))

const respondWithOrwell: BatchGetProducts = (_call, callback) => callback(null, { products: [orwell] })

describe('a product service', () => {
  test('that is not running makes look-ups fail at once; they succeed soon after it starts', async () => {
    const port = await freePort()
    using catalog = catalogAt(port)
    assert.equal(await failureOf(catalog), 'UNAVAILABLE')
    await untilOpen(catalog)
    await assert.rejects(catalog.probe())
    using products = await startProductStub(respondWithOrwell, { address: `127.0.0.1:${port}` })
    assert.equal(products.port, port)
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
    await catalog.probe()
  })

  test('that stops makes look-ups fail at once; they succeed again after it restarts', async () => {
    const first = await startProductStub(respondWithOrwell)
    using catalog = catalogAt(first.port)
    await catalog.find(orwell.id)
    first[Symbol.dispose]()
    assert.equal(await failureOf(catalog), 'UNAVAILABLE')
    await untilOpen(catalog)
    using second = await startProductStub(respondWithOrwell, { address: `127.0.0.1:${first.port}` })
    assert.equal(second.port, first.port)
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
  })

  test('that fails every call soon gets no more calls; look-ups succeed again after it recovers', async () => {
    let calls = 0
    let isDown = true
    using products = await startProductStub((call, callback) => {
      calls += 1
      if (isDown) callback({ code: status.UNAVAILABLE })
      else respondWithOrwell(call, callback)
    })
    using catalog = catalogAt(products.port)
    const attempts: [failure: string, calls: number][] = []
    await eventually(20_000, async () => {
      const before = calls
      attempts.push([await failureOf(catalog), calls - before])
      assert.ok(attempts.filter(([failure]) => failure === 'open').length > 10)
    })
    for (const [failure, callCount] of attempts)
      assert.equal(failure === 'open', callCount === 0, `${failure}: ${callCount} calls`)
    for (const [failure] of attempts.slice(0, 5)) assert.notEqual(failure, 'open')
    isDown = false
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
  })

  test('that hangs makes look-ups fail after 400 ms, then at once; they succeed again after it recovers', async () => {
    let isHanging = true
    const timeLimits: number[] = []
    let cancelled = 0
    using products = await startProductStub((call, callback) => {
      timeLimits.push(Number(call.getDeadline()) - Date.now())
      call.once('cancelled', () => (cancelled += 1))
      if (!isHanging) respondWithOrwell(call, callback)
    })
    using catalog = catalogAt(products.port)
    assert.equal(await failureOf(catalog), 'DEADLINE_EXCEEDED')
    await untilOpen(catalog)
    // The server sees twice the deadline of the caller. A caller that is not stalled cancels the call earlier.
    for (const limit of timeLimits) assert.ok(limit <= 800, `${limit} ms`)
    await eventually(20_000, async () => assert.equal(cancelled, timeLimits.length))
    isHanging = false
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
  })

  test('that hangs makes look-ups that wait for others fail with them, however many products they ask for', async () => {
    let calls = 0
    using products = await startProductStub(() => {
      calls += 1
    })
    using catalog = catalogAt(products.port)
    const hundredFrom = (first: number) => Array.from({ length: 100 }, (_, index) => first + index)
    const lookUps = Array.from({ length: 20 }, (_, index) => catalog.findMany(hundredFrom(1 + 100 * index)))
    for (const outcome of await Promise.allSettled(lookUps))
      assert.ok(outcome.status === 'rejected' && hasCode('unavailable')(outcome.reason))
    assert.equal(calls, 2, 'none waited for a second call')
  })

  test('whose host accepts connections but never responds makes look-ups fail at the same deadline', async () => {
    // A gRPC client that is closed while it connects leaves its connection open. It must not keep the process running.
    const mute = createServer((socket) => socket.unref()).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const address = mute.address()
    using catalog = catalogAt(address !== null && typeof address === 'object' ? address.port : 0)
    assert.equal(await failureOf(catalog), 'DEADLINE_EXCEEDED')
    mute.close()
  })
})
