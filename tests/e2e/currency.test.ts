import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'

describe('CURRENCY', () => {
  it('that differs between the services makes adds fail, and the log and /health say what to do', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'currency-'))
    const DATA_DIR = folder.path
    const GRPC_PORT = String(await freePort())
    const PRODUCT_SERVICE_URL = `127.0.0.1:${GRPC_PORT}`
    await using product = await startService('product', { DATA_DIR, GRPC_PORT, CURRENCY: 'USD' })
    assert.equal((await request('GET', `${product.url}/products/1`)).body.currency, 'USD')
    const items = (basket: { url: string }) => `${basket.url}/baskets/ann/items`
    const line = { product_id: 1, quantity: 1 }
    {
      await using basket = await startService('basket', { DATA_DIR, PRODUCT_SERVICE_URL })
      await eventually(20_000, async () => {
        const { status, body } = await request('POST', items(basket), line)
        assert.deepEqual([status, body.code], [503, 'unavailable'])
        assert.match(
          basket.output(),
          /prices in USD, and this service in EUR: set CURRENCY to the same value/,
        )
      })
      const { body } = await request('GET', `${basket.url}/health`)
      const { status, reason } = body.checks['product-service']
      assert.deepEqual(
        [body.status, status, reason],
        ['degraded', 'down', 'the product service has prices in USD, and this service in EUR'],
      )
      assert.equal((await request('GET', `${basket.url}/baskets/ann`)).status, 404)
    }
    await using basket = await startService('basket', { DATA_DIR, PRODUCT_SERVICE_URL, CURRENCY: 'USD' })
    await eventually(20_000, async () => {
      const { status, body } = await request('POST', items(basket), line)
      assert.deepEqual([status, body.currency], [200, 'USD'])
    })
    assert.equal((await request('GET', `${basket.url}/health`)).body.status, 'healthy')
  })

  it('without two decimal places is refused by both services with exit code 78', () => {
    for (const service of ['product', 'basket'])
      for (const [CURRENCY, reason] of [
        ['JPY', ': JPY has none'],
        ['KWD', ': KWD has 3'],
        ['euro', ''],
      ] as const) {
        const main = join(root, `services/${service}/src/main.ts`)
        const { status, stderr } = spawnSync(process.execPath, [main], {
          env: {
            PATH: process.env['PATH'],
            NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
            CURRENCY,
          },
          encoding: 'utf8',
        })
        const rule = 'CURRENCY must be an ISO 4217 code of a currency with two decimal places'
        assert.deepEqual(
          [status, stderr.trimEnd()],
          [78, `Invalid configuration:\n  - ${rule}, such as EUR or USD${reason}`],
        )
      }
  })
})
