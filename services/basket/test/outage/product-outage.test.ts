import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type BatchGetProducts, orwell, startRaw } from '@shop/testing/services/raw-products.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { grpcProductCatalog } from '../../src/infrastructure/grpc-product-catalog.ts'
import { coded } from '../support/baskets.ts'

const catalogAt = (port: number) => grpcProductCatalog(`127.0.0.1:${port}`)

type Catalog = ReturnType<typeof catalogAt>

/** Why a look-up was unavailable: the status that the call came to, or `open`, for then the breaker let none through. */
const refusalOf = async ({ find }: Catalog): Promise<string> => {
  let last: unknown
  await assert.rejects(find(orwell.id), (error) => {
    for (last = error; last instanceof Error && last.cause !== undefined; ) last = last.cause
    return coded('unavailable')(error)
  })
  if (!(last instanceof Error)) throw new Error('no reason')
  if ('isBrokenCircuitError' in last) return 'open'
  return 'code' in last && typeof last.code === 'number' ? (status[last.code] ?? '') : last.message
}

const untilOpen = (catalog: Catalog) =>
  eventually(20_000, async () => assert.equal(await refusalOf(catalog), 'open'))

const sells: BatchGetProducts = (_call, callback) => callback(null, { products: [orwell] })

describe('a product service', () => {
  test('that is not there is unavailable without a wait, and found soon after its start', async () => {
    const port = await freePort()
    using catalog = catalogAt(port)
    assert.equal(await refusalOf(catalog), 'UNAVAILABLE')
    await untilOpen(catalog)
    await assert.rejects(catalog.probe())
    using products = await startRaw(sells, { address: `127.0.0.1:${port}` })
    assert.equal(products.port, port)
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
    await catalog.probe()
  })

  test('that goes away and comes back is unavailable without a wait, and found again', async () => {
    const first = await startRaw(sells)
    using catalog = catalogAt(first.port)
    await catalog.find(orwell.id)
    first[Symbol.dispose]()
    assert.equal(await refusalOf(catalog), 'UNAVAILABLE')
    await untilOpen(catalog)
    using second = await startRaw(sells, { address: `127.0.0.1:${first.port}` })
    assert.equal(second.port, first.port)
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
  })

  test('that cannot answer is soon not asked any more, and then found again', async () => {
    let calls = 0
    let isDown = true
    using products = await startRaw((call, callback) => {
      calls += 1
      if (isDown) callback({ code: status.UNAVAILABLE })
      else sells(call, callback)
    })
    using catalog = catalogAt(products.port)
    const costs: [refusal: string, calls: number][] = []
    await eventually(20_000, async () => {
      const before = calls
      costs.push([await refusalOf(catalog), calls - before])
      assert.ok(costs.filter(([refusal]) => refusal === 'open').length > 10)
    })
    for (const [refusal, cost] of costs) assert.equal(refusal === 'open', cost === 0, `${refusal}: ${cost}`)
    for (const [refusal] of costs.slice(0, 5)) assert.notEqual(refusal, 'open')
    isDown = false
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
  })

  test('that does not answer is waited for 400 ms, soon not at all, and then found again', async () => {
    let hangs = true
    const waits: number[] = []
    using products = await startRaw((call, callback) => {
      waits.push(Number(call.getDeadline()) - Date.now())
      if (!hangs) sells(call, callback)
    })
    using catalog = catalogAt(products.port)
    assert.equal(await refusalOf(catalog), 'DEADLINE_EXCEEDED')
    await untilOpen(catalog)
    for (const wait of waits) assert.ok(wait <= 400, `${wait} ms`)
    hangs = false
    assert.equal((await eventually(20_000, () => catalog.find(orwell.id))).id, orwell.id)
  })

  test('whose machine accepts connections and says nothing is not waited for longer', async () => {
    // A client that is closed while it connects leaves the connection to the end of the process.
    const mute = createServer((socket) => socket.unref()).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const address = mute.address()
    using catalog = catalogAt(address !== null && typeof address === 'object' ? address.port : 0)
    assert.equal(await refusalOf(catalog), 'DEADLINE_EXCEEDED')
    mute.close()
  })
})
