import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createHealth } from '@shop/platform/health/health.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { startPostgresServer, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'
import { readConfig } from '../../src/config.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { fieldsOf } from '../support/store.ts'
import { context, useCasesOf } from '../support/use-cases.ts'

const waitUntil = (condition: () => Promise<boolean>) =>
  eventually(15_000, async () => assert.ok(await condition()))

it('queries read from a streaming replica, or from the primary while it is down; commands use the primary', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using primary = await startPostgresServer()
  await using replica = await startPostgresServer({ primary })
  const config = readConfig({ DATABASE_URL: primary.url, DB_REPLICA_URL: replica.url })
  await using adapters = await openAdapters({ config, logger: silentLogger })
  const useCases = useCasesOf(adapters.ports)
  const health = createHealth('product-service', '0', adapters.dependencies)
  const status = async () => (await health.report()).status
  await waitUntil(async () => (await status()) === 'healthy')

  const created = await useCases.createProduct(fieldsOf({ stock: 1 }), context)
  await waitUntil(() =>
    useCases.getProduct({ id: created.id }, context).then(
      () => true,
      () => false,
    ),
  )

  // While the primary is down, reads from the replica succeed and commands fail.
  await primary.stop()
  assert.deepEqual(await useCases.getProduct({ id: created.id }, context), created)
  assert.deepEqual((await useCases.listProducts({ sort: byId, limit: 10 }, context)).products, [created])
  await assert.rejects(useCases.createProduct(fieldsOf(), context), { code: 'unavailable' })
  assert.equal(await status(), 'unhealthy')
  await primary.start()
  await waitUntil(async () => (await status()) === 'healthy')

  await replica.stop()
  const changed = await useCases.updateProduct(
    { id: created.id, changes: { stock: 2 }, expected: 'anything' },
    context,
  )
  assert.deepEqual(await useCases.getProduct({ id: created.id }, context), changed)
  assert.equal(await status(), 'degraded')

  await replica.start()
  await waitUntil(async () => (await status()) === 'healthy')
})
