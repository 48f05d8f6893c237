import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { mapSqliteErrors } from '@shop/platform/embedded/sqlite-errors.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { sqliteBasketExpiry } from '../../src/infrastructure/sqlite-basket-expiry.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite-basket-repository.ts'
import { aBasket, longTtl, ownFolder, rowsIn } from '../support/baskets.ts'

test('baskets remain when the file is closed and reopened', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'new', 'folder', 'baskets.sqlite')
  const first = openSqlite(path)
  const stored = await sqliteBasketRepository(first, longTtl).update('user123', () => aBasket())
  first.close()
  using second = openSqlite(path)
  assert.deepEqual(await sqliteBasketRepository(second, longTtl).find('user123'), stored)
})

test('the repository can be created while another process holds the write lock of the new file for 200 ms', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite')
  using writer = fork(new URL('./writer.ts', import.meta.url), [path])
  await once(writer, 'message')
  using sqlite = openSqlite(path)
  const baskets = sqliteBasketRepository(sqlite, longTtl)
  assert.equal((await baskets.update('user123', () => aBasket())).version, 1)
})

test('an expired basket is missing for reads and writes even before its removal', async () => {
  await using folder = await ownFolder()
  using sqlite = openSqlite(join(folder.path, 'baskets.sqlite'))
  await sqliteBasketRepository(sqlite, -1).update('user123', () => aBasket())
  const baskets = sqliteBasketRepository(sqlite, longTtl)
  assert.equal(await baskets.find('user123'), undefined)
  assert.equal(rowsIn(sqlite), 1)
  const created = await baskets.update('user123', (stored) => stored ?? aBasket())
  assert.equal(created.version, 1)
  assert.deepEqual(await baskets.find('user123'), created)
  assert.deepEqual(await sqliteBasketExpiry(sqlite).removeExpired(), [])
})

test('while another connection holds the write lock, writes reject with unavailable and reads succeed', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite')
  using other = openSqlite(path)
  using sqlite = openSqlite(path, 50)
  const baskets = mapSqliteErrors(sqliteBasketRepository(sqlite, longTtl), 'too many concurrent writes')
  const stored = await baskets.update('user123', () => aBasket())
  other.exec('begin immediate')
  await assert.rejects(
    baskets.update('user123', () => undefined),
    hasCode('unavailable'),
  )
  assert.deepEqual(await baskets.find('user123'), stored)
  other.exec('rollback')
  assert.equal(await baskets.update('user123', () => undefined), undefined)
})
