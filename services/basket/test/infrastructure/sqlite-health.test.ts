import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aBasket, ownFolder } from '../support/baskets.ts'

/** Opens the adapters on a new file with a basket. */
const openStored = async () => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await ownFolder())
  const config = readConfig({ DATA_DIR: folder.path })
  const { ports, dependencies } = stack.use(await openAdapters({ config, logger: silentLogger }))
  const stores = dependencies.filter(({ name }) => name !== 'product-service')
  const { report } = createHealth('basket-service', '0', stores)
  await ports.baskets.update('user123', () => aBasket())
  const path = join(folder.path, 'baskets.sqlite')
  assert.equal((await report()).status, 'healthy')
  return { path, baskets: ports.baskets, report, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

type Stored = Awaited<ReturnType<typeof openStored>>

const assertUnhealthy = async ({ report }: Stored, reason: RegExp) => {
  const { status, checks } = await report()
  assert.equal(status, 'unhealthy')
  assert.match(checks['sqlite']?.reason ?? '', reason)
}

const assertUnavailable = async ({ baskets }: Stored) => {
  await assert.rejects(baskets.find('user123'), hasCode('unavailable'))
  await assert.rejects(
    baskets.update('user123', () => undefined),
    hasCode('unavailable'),
  )
}

const runOn = (path: string, sql: string) => {
  using other = openSqlite(path)
  other.exec(sql)
}

test('a file that is overwritten while the service runs makes it unhealthy, and requests unavailable', async () => {
  await using stored = await openStored()
  runOn(stored.path, 'pragma wal_checkpoint(truncate)')
  await writeFile(stored.path, randomBytes(64 * 1024), { flag: 'r+' })
  await assertUnhealthy(stored, /^SQLite cannot read the baskets: (file is not a database|.*malformed)/)
  await assertUnavailable(stored)
})

test('a table that is dropped while the service runs makes it unhealthy, and requests unavailable', async () => {
  await using stored = await openStored()
  runOn(stored.path, 'drop table baskets')
  await assertUnhealthy(stored, /^SQLite cannot read the baskets: no such table: baskets$/)
  await assertUnavailable(stored)
})

test('a file that is removed or replaced while the service runs makes it unhealthy', async () => {
  await using stored = await openStored()
  const gone = /^baskets\.sqlite has been removed or replaced: restart the service$/
  await rm(stored.path)
  await assertUnhealthy(stored, gone)
  await writeFile(stored.path, '')
  await assertUnhealthy(stored, gone)
})
