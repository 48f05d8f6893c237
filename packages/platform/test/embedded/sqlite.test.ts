import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isBusy, openSqlite } from '../../src/embedded/sqlite.ts'

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
