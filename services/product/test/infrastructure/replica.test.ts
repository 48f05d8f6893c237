import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createHealth } from '@shop/platform/health/health.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { startCluster, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'
import { readConfig } from '../../src/config.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { fieldsOf } from '../support/store.ts'
import { context, useCasesOf } from '../support/use-cases.ts'

const until = (condition: () => Promise<boolean>) =>
  eventually(15_000, async () => assert.ok(await condition()))

it('queries read from a streaming replica, commands never do, and the primary serves while it is down', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using primary = await startCluster()
  await using replica = await startCluster({ primary })
  const config = readConfig({ DATABASE_URL: primary.url, DB_REPLICA_URL: replica.url })
  await using adapters = await openAdapters({ config, logger: silentLogger })
  const use = useCasesOf(adapters.ports)
  const health = createHealth('product-service', '0', adapters.dependencies)
  const status = async () => (await health.report()).status
  await until(async () => (await status()) === 'healthy')

  const written = await use.createProduct(fieldsOf({ stock: 1 }), context)
  await until(() =>
    use.getProduct({ id: written.id }, context).then(
      () => true,
      () => false,
    ),
  )

  // Only a read of the replica answers while the primary is away; a command must not.
  await primary.stop()
  assert.deepEqual(await use.getProduct({ id: written.id }, context), written)
  assert.deepEqual((await use.listProducts({ sort: byId, limit: 10 }, context)).products, [written])
  await assert.rejects(use.createProduct(fieldsOf(), context), { code: 'unavailable' })
  assert.equal(await status(), 'unhealthy')
  await primary.start()
  await until(async () => (await status()) === 'healthy')

  await replica.stop()
  const changed = await use.updateProduct(
    { id: written.id, changes: { stock: 2 }, expected: 'anything' },
    context,
  )
  assert.deepEqual(await use.getProduct({ id: written.id }, context), changed)
  assert.equal(await status(), 'degraded')

  await replica.start()
  await until(async () => (await status()) === 'healthy')
})
