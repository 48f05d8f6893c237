import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'

it('baskets stay usable without the product service, and accept products again when it is back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'outage-'))
  const grpcPort = String(await freePort())
  const startProducts = () => startService('product', { DATA_DIR: folder, GRPC_PORT: grpcPort })
  try {
    await using basket = await startService('basket', {
      DATA_DIR: folder,
      PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
    })
    const basketUrl = `${basket.url}/baskets/ann`
    const add = () => request('POST', `${basketUrl}/items`, { product_id: 1, quantity: 1 })
    const health = async () => (await request('GET', `${basket.url}/health`)).body.status

    const product = await startProducts()
    await eventually(20_000, async () => assert.equal((await add()).status, 200))
    assert.equal(await health(), 'healthy')
    const { body: before } = await request('GET', basketUrl)

    // SIGKILL, so that the service cannot close its connections.
    await product.stop('SIGKILL')
    // After some failures the circuit breaker opens, and adds fail without a call.
    await eventually(20_000, async () => {
      const refused = await add()
      assert.deepEqual([refused.status, refused.body.code], [503, 'unavailable'])
      assert.ok(Number(refused.headers.get('retry-after')) >= 1)
      assert.match(basket.output(), /circuit breaker is open/)
    })
    assert.deepEqual((await request('GET', basketUrl)).body, before)
    assert.equal(await health(), 'degraded')
    assert.equal((await request('GET', `${basket.url}/health/ready`)).status, 200)
    assert.equal((await request('PUT', `${basketUrl}/items/1`, { quantity: 0 })).status, 200)
    assert.equal((await request('DELETE', `${basketUrl}/items`)).status, 200)

    await using restarted = await startProducts()
    await eventually(20_000, async () => assert.equal((await add()).status, 200))
    assert.equal(await health(), 'healthy')
    assert.equal((await request('GET', `${restarted.url}/products/1`)).status, 200)
  } finally {
    await rm(folder, { recursive: true })
  }
})
