import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'

it('baskets outlive the product service, and take products again when it is back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'outage-'))
  const grpcPort = String(await freePort())
  const startProducts = () => startService('product', { DATA_DIR: folder, GRPC_PORT: grpcPort })
  try {
    await using basket = await startService('basket', {
      DATA_DIR: folder,
      PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
    })
    const own = `${basket.url}/baskets/ann`
    const add = () => request('POST', `${own}/items`, { product_id: 1, quantity: 1 })
    const health = async () => (await request('GET', `${basket.url}/health`)).body.status

    const first = await startProducts()
    await eventually(20_000, async () => assert.equal((await add()).status, 200))
    assert.equal(await health(), 'healthy')
    const { body: before } = await request('GET', own)

    // Killed, not stopped: it has no time to say goodbye.
    await first.stop('SIGKILL')
    // Soon without asking: the breaker is open.
    await eventually(20_000, async () => {
      const refused = await add()
      assert.deepEqual([refused.status, refused.body.code], [503, 'unavailable'])
      assert.ok(Number(refused.headers.get('retry-after')) >= 1)
      assert.match(basket.output(), /circuit breaker is open/)
    })
    assert.deepEqual((await request('GET', own)).body, before)
    assert.equal(await health(), 'degraded')
    assert.equal((await request('GET', `${basket.url}/health/ready`)).status, 200)
    assert.equal((await request('PUT', `${own}/items/1`, { quantity: 0 })).status, 200)
    assert.equal((await request('DELETE', `${own}/items`)).status, 200)

    await using second = await startProducts()
    await eventually(20_000, async () => assert.equal((await add()).status, 200))
    assert.equal(await health(), 'healthy')
    assert.equal((await request('GET', `${second.url}/products/1`)).status, 200)
  } finally {
    await rm(folder, { recursive: true })
  }
})
