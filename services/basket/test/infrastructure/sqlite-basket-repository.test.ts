import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { mapSqliteErrors } from '@shop/platform/embedded/sqlite-errors.ts'
import { sqliteBasketExpiry } from '../../src/infrastructure/sqlite-basket-expiry.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite-basket-repository.ts'
import { aBasket, coded, longTtl, ownFolder, rowsIn } from '../support/baskets.ts'

test('baskets are there when the file is opened again', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'new', 'folder', 'baskets.sqlite')
  const first = openSqlite(path)
  const stored = await sqliteBasketRepository(first, longTtl).update('user123', () => aBasket())
  first.close()
  using second = openSqlite(path)
  assert.deepEqual(await sqliteBasketRepository(second, longTtl).find('user123'), stored)
})

test('a new file that another process is just writing to is waited for', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite')
  using writer = fork(new URL('./writer.ts', import.meta.url), [path])
  await once(writer, 'message')
  using sqlite = openSqlite(path)
  const baskets = sqliteBasketRepository(sqlite, longTtl)
  assert.equal((await baskets.update('user123', () => aBasket())).version, 1)
})

test('an expired basket that is not removed yet is no basket, neither for a read nor for a write', async () => {
  await using folder = await ownFolder()
  using sqlite = openSqlite(join(folder.path, 'baskets.sqlite'))
  await sqliteBasketRepository(sqlite, -1).update('user123', () => aBasket())
  const baskets = sqliteBasketRepository(sqlite, longTtl)
  assert.equal(await baskets.find('user123'), undefined)
  assert.equal(rowsIn(sqlite), 1)
  const fresh = await baskets.update('user123', (seen) => seen ?? aBasket())
  assert.equal(fresh.version, 1)
  assert.deepEqual(await baskets.find('user123'), fresh)
  assert.deepEqual(await sqliteBasketExpiry(sqlite).removeExpired(), [])
})

test('a file that another process keeps locked is unavailable to writers, and open to readers', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite')
  using other = openSqlite(path)
  using impatient = openSqlite(path, 50)
  const baskets = mapSqliteErrors(sqliteBasketRepository(impatient, longTtl), 'too many others are writing')
  const stored = await baskets.update('user123', () => aBasket())
  other.exec('begin immediate')
  await assert.rejects(
    baskets.update('user123', () => undefined),
    coded('unavailable'),
  )
  assert.deepEqual(await baskets.find('user123'), stored)
  other.exec('rollback')
  assert.equal(await baskets.update('user123', () => undefined), undefined)
})
