import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { createApp as createBasketApp } from '../../services/basket/src/app.ts'
import { readConfig } from '../../services/basket/src/config.ts'
import { openAdapters } from '../../services/basket/src/infrastructure/adapters.ts'
import { catalogOf } from '../../services/basket/test/support/ports.ts'
import { createApp as createProductApp } from '../../services/product/src/app.ts'
import { creationOf, engines } from '../../services/product/test/support/store.ts'
import { identity, type Line, openAuditFolder, pseudonymOf } from './support/services.ts'

const common = { identity, http: { trustProxy: 'loopback' } } as const

type Response = Readonly<{ statusCode: number; json: () => { version?: number; code?: string } }>
type Send = (requestId: string, thing: number) => Promise<Response>

/** Sends writes of three things at once. Resolves with what each client has seen, by request id. */
const writeAtOnce = async (count: number, send: Send) => {
  const seen = Array.from({ length: count }, async (_, index) => {
    const requestId = `write-${index}`
    const response = await send(requestId, index % 3)
    const { version, code } = response.json()
    return [requestId, { thing: index % 3, version, code }] as const
  })
  return new Map(await Promise.all(seen))
}

/** Each line says of its request what its client has seen, and its version before is that of the write that came before it. */
const assertAttributed = (
  lines: readonly Line[],
  seen: Awaited<ReturnType<typeof writeAtOnce>>,
  targets: readonly Line[],
) => {
  assert.equal(lines.length, seen.size)
  const chain = targets.map(() => new Set<unknown>())
  for (const line of lines) {
    const { thing, version, code } = seen.get(String(line['request_id'])) ?? {}
    assert.ok(thing !== undefined)
    assert.deepEqual(line['target'], targets[thing])
    assert.equal(line['code'], code)
    assert.equal(line['outcome'], code === undefined ? 'applied' : 'failed')
    if (code !== undefined) continue
    assert.equal(line['version_after'], version)
    assert.equal(Number(line['version_before']), Number(version) - 1)
    chain[thing]?.add(version)
  }
  // The writes of each thing had different versions, so none is attributed twice.
  const applied = [...seen.values()].filter(({ code }) => code === undefined)
  assert.equal(
    chain.reduce((sum, versions) => sum + versions.size, 0),
    applied.length,
  )
  return { applied: applied.length, failed: seen.size - applied.length }
}

describe('the line of each of many writes that share a statement has its own versions', () => {
  it('of products in PostgreSQL', { skip: withoutPostgres }, async () => {
    await using folder = await openAuditFolder()
    await using store = await engines[1].open()
    const metrics = createMetrics('test', '1')
    await using app = await createProductApp({ ports: store, dependencies: [] }, silentLogger, metrics, {
      ...common,
      audit: folder.configOf('lines'),
    })
    const products = await Promise.all(Array.from({ length: 3 }, () => store.products.add(creationOf())))
    const seen = await writeAtOnce(300, async (requestId, thing) =>
      app.http.inject({
        method: 'PATCH',
        url: `/products/${products[thing]?.id}`,
        // Every fifth expects the version of the beginning, which few of them still find.
        headers: {
          authorization: 'Bearer office',
          'x-request-id': requestId,
          ...(requestId.endsWith('5') && { 'if-match': '"1"' }),
        },
        payload: { price: 3 },
      }),
    )
    const targets = products.map(({ id }) => ({ type: 'product', id }))
    const { applied, failed } = assertAttributed(await folder.lines('lines'), seen, targets)
    assert.ok(applied > 200 && failed > 20, `${applied} applied, ${failed} failed`)
  })

  it('of baskets in Redis', { skip: withoutRedis }, async () => {
    const prefix = ownPrefix()
    await using stack = new AsyncDisposableStack()
    stack.defer(() => removeKeys(`basket:${prefix}`))
    const folder = stack.use(await openAuditFolder())
    const metrics = createMetrics('test', '1')
    const config = readConfig({ REDIS_URL: redisUrl })
    const { ports } = stack.use(await openAdapters({ config, logger: silentLogger, metrics }))
    const catalog = catalogOf(async (id) => ({ id, name: 'Lamp', price: 1n, stock: 80, category: '' }))
    const app = stack.use(
      await createBasketApp({ ports: { ...ports, catalog }, dependencies: [] }, silentLogger, metrics, {
        ...common,
        audit: folder.configOf('lines'),
      }),
    )
    // It is connecting.
    await eventually(20_000, () => ports.baskets.find(prefix))
    const users = [0, 1, 2].map((thing) => `${prefix}user${thing}`)
    const seen = await writeAtOnce(300, async (requestId, thing) =>
      app.http.inject({
        method: 'POST',
        url: `/baskets/${users[thing]}/items`,
        headers: { authorization: 'Bearer office', 'x-request-id': requestId },
        payload: { product_id: 1, quantity: 1 },
      }),
    )
    const targets = users.map((user) => ({ type: 'basket', owner: pseudonymOf(user) }))
    const counts = assertAttributed(await folder.lines('lines'), seen, targets)
    // A basket takes 80 pieces. The first write creates it, so its version before is none.
    assert.deepEqual(counts, { applied: 240, failed: 60 })
  })
})
