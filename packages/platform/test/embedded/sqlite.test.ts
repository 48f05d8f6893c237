import assert from 'node:assert/strict'
import { chmodSync, statSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { inTransaction, isBusy, isUnusable, openSqlite } from '../../src/embedded/sqlite.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-sqlite-'))

describe('openSqlite', () => {
  it('creates the file and its parent folders, and allows several connections', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a', 'b', 'test.sqlite')
    const first = openSqlite(path)
    const second = openSqlite(path)
    first.exec('create table numbers (n integer)')
    second.exec('insert into numbers values (7)')
    assert.deepEqual({ ...first.prepare('select n from numbers').get() }, { n: 7 })
    first.close()
    second.close()
  })

  it('takes the rights of others from files that an earlier release has created', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'test.sqlite')
    const files = [path, `${path}-wal`, `${path}-shm`]
    const first = openSqlite(path)
    first.exec('pragma journal_mode = wal; create table numbers (n integer)')
    for (const file of files) chmodSync(file, 0o644)
    const second = openSqlite(path)
    assert.deepEqual(
      files.map((file) => (statSync(file).mode & 0o777).toString(8)),
      ['600', '600', '600'],
    )
    first.close()
    second.close()
  })

  it('gives up with a busy error when another connection holds a lock longer than the timeout', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'test.sqlite')
    const first = openSqlite(path)
    const second = openSqlite(path, 50)
    first.exec('create table numbers (n integer); begin immediate')
    const started = performance.now()
    assert.throws(() => second.exec('begin immediate'), isBusy)
    assert.ok(performance.now() - started >= 40)
    assert.throws(
      () => second.exec('select nothing from nowhere'),
      (error) => !isBusy(error),
    )
    first.close()
    second.close()
  })
})

describe('isUnusable', () => {
  it('is true for a file that cannot be opened, and false for a wrong statement and a broken rule', async () => {
    await using folder = await temporaryFolder()
    using sqlite = openSqlite(join(folder.path, 'test.sqlite'))
    sqlite.exec('create table numbers (n integer primary key); insert into numbers values (7)')
    assert.throws(() => sqlite.exec(`attach '${folder.path}/missing/other.sqlite' as other`), isUnusable)
    for (const statement of ['select nothing from nowhere', 'insert into numbers values (7)'])
      assert.throws(
        () => sqlite.exec(statement),
        (error) => !isUnusable(error),
      )
  })
})

describe('inTransaction', () => {
  it('throws the error of the work and rolls back, whether or not a transaction is still active', async () => {
    await using folder = await temporaryFolder()
    using sqlite = openSqlite(join(folder.path, 'test.sqlite'))
    sqlite.exec('create table numbers (n integer)')
    for (const statement of ['select 1', 'rollback'])
      assert.throws(
        () =>
          inTransaction(sqlite, () => {
            sqlite.exec(`insert into numbers values (7); ${statement}`)
            throw new Error('the cause')
          }),
        { message: 'the cause' },
      )
    assert.equal(sqlite.prepare('select n from numbers').get(), undefined)
    assert.equal(
      inTransaction(sqlite, () => 5),
      5,
    )
  })
})
