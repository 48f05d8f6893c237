import assert from 'node:assert/strict'
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { AppError } from '@shop/kernel/errors.ts'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { mapSqliteErrors } from '@shop/platform/embedded/sqlite-errors.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { sqliteBasketExpiry } from '../../src/infrastructure/sqlite/sqlite-basket-expiry.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite/sqlite-basket-repository.ts'
import { aBasket, longTtl, ownFolder, rowsIn } from '../support/baskets.ts'

const messages = { busy: 'too many concurrent writes', unusable: 'the basket store is unavailable' }

test('baskets remain when the file is closed and reopened', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'new', 'folder', 'baskets.sqlite')
  const first = openSqlite(path)
  const stored = await sqliteBasketRepository(first, longTtl).update('user123', () => aBasket())
  first.close()
  using second = openSqlite(path)
  assert.deepEqual(await sqliteBasketRepository(second, longTtl).find('user123'), stored)
})

test('a commit is on the disk when a write is acknowledged, as docs/durability.md says', async () => {
  await using folder = await ownFolder()
  using sqlite = openSqlite(join(folder.path, 'baskets.sqlite'))
  sqliteBasketRepository(sqlite, longTtl)
  assert.deepEqual(sqlite.prepare('pragma journal_mode').get(), { __proto__: null, journal_mode: 'wal' })
  // 2 is FULL: in WAL mode, NORMAL would flush only at checkpoints.
  assert.deepEqual(sqlite.prepare('pragma synchronous').get(), { __proto__: null, synchronous: 2 })
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
  const baskets = mapSqliteErrors(sqliteBasketRepository(sqlite, longTtl), messages)
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

/** Each setting makes SQLite fail writes as the named condition of the disk does. */
const failures = [
  ['the disk is full', 'pragma max_page_count = 1', 'pragma max_page_count = 1000000', /is full/],
  ['the file is read-only', 'pragma query_only = on', 'pragma query_only = off', /readonly/],
] as const

for (const [condition, fail, recover, reason] of failures)
  test(`while ${condition}, writes reject with unavailable and the cause, and reads succeed`, async () => {
    await using folder = await ownFolder()
    using sqlite = openSqlite(join(folder.path, 'baskets.sqlite'))
    const baskets = mapSqliteErrors(sqliteBasketRepository(sqlite, longTtl), messages)
    const stored = await baskets.update('user123', () => aBasket())
    sqlite.exec(fail)
    const add = (userId: string) =>
      baskets
        .update(userId, () => aBasket(userId))
        .then(
          () => undefined,
          (error: unknown) => error,
        )
    let refused: unknown
    for (let n = 0; n < 500 && refused === undefined; n++) refused = await add(`user${n}`)
    assert.ok(refused instanceof AppError)
    assert.deepEqual([refused.kind, refused.message], ['unavailable', messages.unusable])
    assert.match(String(refused.cause), reason)
    assert.deepEqual(await baskets.find('user123'), stored)
    sqlite.exec(recover)
    assert.equal((await baskets.update('another', () => aBasket('another'))).version, 1)
  })

test('when the file system refuses to extend the file, writes reject with unavailable and the cause, and health is degraded', async () => {
  await using folder = await ownFolder()
  const script = fileURLToPath(new URL('./fill-disk.ts', import.meta.url))
  const limited = 'ulimit -f 512; exec "$@"'
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    limited,
    'sh',
    process.execPath,
    script,
    folder.path,
  ])
  assert.deepEqual(stdout.split('\n'), [
    'healthy ',
    'unavailable the basket store is unavailable Error: disk I/O error; reads user0',
    'degraded SQLite refuses writes: disk I/O error',
    '',
  ])
})
