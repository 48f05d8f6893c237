import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isBusy, lockFolder, openSqlite } from '../src/sqlite.ts'
import { runScript, startScript } from './support/script.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-sqlite-'))

const inUse = (folder: string) =>
  `${folder} is in use by another process; stop that one, or set DATA_DIR to another folder.`

const holding = (then = '') => `
  import { run } from '../src/lifecycle.ts'
  import { lockFolder } from '../src/sqlite.ts'
  await run(async () => {
    globalThis.lock = lockFolder(process.argv[1])
    console.log('locked')
    ${then}
  })
`
const holder = holding()
const stayingHolder = holding('await new Promise(() => setInterval(() => {}, 1_000))')

describe('openSqlite', () => {
  it('makes the file and the folders above it, for several connections at once', async () => {
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

  it('gives up on a lock that another holds for longer than the timeout, and says that it is busy', async () => {
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

describe('lockFolder', () => {
  it('is held until it is disposed of', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const lock = lockFolder(data)
    assert.throws(() => lockFolder(data), { message: inUse(data) })
    lock[Symbol.dispose]()
    lockFolder(data)[Symbol.dispose]()
    assert.equal(existsSync(data), false, 'the folder itself is not touched')
  })

  it('keeps a second process out while the first one runs, however that one ends', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await using first = startScript(stayingHolder, data)
    await first.said('locked')

    const second = await runScript(holder, data)
    assert.deepEqual(second, { code: 1, stdout: '', stderr: `${inUse(data)}\n` })

    first.kill('SIGKILL')
    await first.ended()
    const third = await runScript(holder, data)
    assert.deepEqual(third, { code: 0, stdout: 'locked\n', stderr: '' })
  })

  it('of one folder does not lock another', async () => {
    await using folder = await temporaryFolder()
    const locks = ['products', 'baskets'].map((name) => lockFolder(join(folder.path, name)))
    for (const lock of locks) lock[Symbol.dispose]()
  })
})
