import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { runProgram, startProgram } from '@shop/testing/services/program.ts'
import { lockFolder } from '../../src/embedded/folder-lock.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-lock-'))

const inUse = (folder: string) =>
  `${folder} is in use by another process; stop that process, or set DATA_DIR to another folder.`

const holder = new URL('./programs/hold-lock.ts', import.meta.url)

describe('lockFolder', () => {
  it('locks a folder until the lock is disposed of', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const lock = lockFolder(data)
    assert.throws(() => lockFolder(data), { message: inUse(data) })
    lock[Symbol.dispose]()
    lockFolder(data)[Symbol.dispose]()
    assert.equal(existsSync(data), false, 'the folder itself is not created')
  })

  it('keeps a second process out until the first one exits, even if the first one is killed', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await using first = startProgram(holder, data, 'stay')
    await first.waitForOutput('locked')

    const second = await runProgram(holder, data)
    assert.deepEqual(second, { code: 1, stdout: '', stderr: `${inUse(data)}\n` })

    first.kill('SIGKILL')
    await first.waitForExit()
    const third = await runProgram(holder, data)
    assert.deepEqual(third, { code: 0, stdout: 'locked\n', stderr: '' })
  })

  it('does not lock other folders', async () => {
    await using folder = await temporaryFolder()
    const locks = ['products', 'baskets'].map((name) => lockFolder(join(folder.path, name)))
    for (const lock of locks) lock[Symbol.dispose]()
  })
})
