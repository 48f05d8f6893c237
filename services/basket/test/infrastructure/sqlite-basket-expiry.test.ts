import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { mapSqliteErrors } from '@shop/platform/embedded/sqlite-errors.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { sqliteBasketExpiry } from '../../src/infrastructure/sqlite/sqlite-basket-expiry.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite/sqlite-basket-repository.ts'
import { aBasket, longTtl, ownFolder, rowsIn } from '../support/baskets.ts'

test('removal deletes only expired baskets, at most 500 per batch, and returns those with readable records', async () => {
  await using folder = await ownFolder()
  using sqlite = openSqlite(join(folder.path, 'baskets.sqlite'))
  const repository = sqliteBasketRepository(sqlite, longTtl)
  const kept = await repository.update('kept', () => aBasket())
  const stored = await sqliteBasketRepository(sqlite, -1).update('expired', () => aBasket('expired'))
  sqlite.exec('begin')
  const insert = sqlite.prepare('insert into baskets (user_id, record, expires_at) values (?, ?, ?)')
  for (let user = 0; user < 700; user++) insert.run(`expired-${user}`, '{}', Date.now() - 1)
  sqlite.exec('commit')

  const { removeExpired, removed } = sqliteBasketExpiry(sqlite)
  assert.equal(removed(), 0)
  assert.deepEqual(await removeExpired(), [stored], 'the basket that expired first is in the first batch')
  assert.equal(removed(), 500)
  assert.equal(rowsIn(sqlite), 202)
  assert.deepEqual(await removeExpired(), [])
  assert.equal(removed(), 701)
  assert.deepEqual(await removeExpired(), [])
  assert.equal(removed(), 701)
  assert.equal(rowsIn(sqlite), 1)
  assert.deepEqual(await repository.find('kept'), kept)
})

test('removal rejects with unavailable while another connection holds the write lock, and succeeds later', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite')
  using other = openSqlite(path)
  using sqlite = openSqlite(path, 50)
  const stored = await sqliteBasketRepository(sqlite, -1).update('user123', () => aBasket())
  const { removeExpired, removed } = sqliteBasketExpiry(sqlite)
  const expiry = mapSqliteErrors({ removeExpired }, { busy: 'busy', unusable: 'unusable' })
  other.exec('begin immediate')
  await assert.rejects(expiry.removeExpired(), hasCode('unavailable'))
  assert.equal(removed(), 0)
  other.exec('rollback')
  assert.deepEqual(await expiry.removeExpired(), [stored])
  assert.equal(removed(), 1)
})
