import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'

/** Loaded before the service: SIGUSR2 sets the wall clock back by an hour, as NTP or a resumed machine may. */
const steppableClock = `
const { now } = Date
let offset = 0
process.on('SIGUSR2', () => { offset -= 3_600_000 })
Date.now = () => now() + offset
globalThis.Date = new Proxy(Date, {
  construct: (target, args, self) => Reflect.construct(target, args.length ? args : [target.now()], self),
})`

it('a clock that steps back an hour while the circuit breaker is open does not prolong the outage', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'clock-'))
  const grpcPort = String(await freePort())
  const startProducts = () => startService('product', { DATA_DIR: folder.path, GRPC_PORT: grpcPort })
  await using basket = await startService('basket', {
    DATA_DIR: folder.path,
    PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(steppableClock)}`,
  })
  const add = () => request('POST', `${basket.url}/baskets/ann/items`, { product_id: 1, quantity: 1 })
  const isOpen = /^circuit_breaker_state\{.*state="open".*\} 1$/m

  const product = await startProducts()
  await eventually(20_000, async () => assert.equal((await add()).status, 200))
  await product.stop('SIGKILL')
  await eventually(20_000, async () => {
    assert.equal((await add()).status, 503)
    assert.match(String((await request('GET', `${basket.url}/metrics`)).body), isOpen)
  })

  basket.process.kill('SIGUSR2')
  await eventually(20_000, async () => {
    const { timestamp } = (await request('GET', `${basket.url}/health`)).body
    assert.ok(Date.parse(timestamp) < Date.now() - 3_500_000, timestamp)
  })
  await using restarted = await startProducts()
  await eventually(5_000, async () => assert.equal((await add()).status, 200))
  assert.equal((await request('GET', `${restarted.url}/health/ready`)).status, 200)
})
