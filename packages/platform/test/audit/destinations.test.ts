import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { smallDisk, withoutMounts } from '@shop/testing/stores/small-disk.ts'
import { openFile, type Trouble, toStream } from '../../src/audit/destinations.ts'
import { reopenLogFiles } from '../../src/logging/output.ts'

const name = 'shop.audit.log'

const recordTrouble = () => {
  const seen = { failed: 0, ended: 0, lost: 0 }
  const trouble: Trouble = {
    failed: () => void (seen.failed += 1),
    ended: () => void (seen.ended += 1),
    lost: (lines) => void (seen.lost += lines),
  }
  return { trouble, seen }
}

const lineOf = (number: number): string => `{"line":${number},"text":"${'x'.repeat(300)}"}\n`
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => lineOf(from + index)).join('')

describe('an audit file', () => {
  it('is for its user alone, continues what is there, and is opened again on demand', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    const path = join(folder.path, 'new', name)
    const { trouble, seen } = recordTrouble()
    for (const number of [1, 2]) {
      const file = openFile(join(folder.path, 'new'), name, trouble)
      file.write(lineOf(number))
      file.close()
    }
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const file = openFile(join(folder.path, 'new'), name, trouble)
    renameSync(path, `${path}.old`)
    file.write(lineOf(3))
    assert.deepEqual(reopenLogFiles(), { opened: 1, failed: [] })
    file.write(lineOf(4))
    file.close()
    assert.deepEqual(reopenLogFiles(), { opened: 0, failed: [] })
    assert.equal(readFileSync(`${path}.old`, 'utf8'), lines(1, 4))
    assert.equal(readFileSync(path, 'utf8'), lineOf(4))
    assert.deepEqual(seen, { failed: 0, ended: 0, lost: 0 })
  })

  it('that is a pipe without a reader cannot be opened', { skip: process.platform === 'win32' }, async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    execFileSync('mkfifo', [join(folder.path, name)])
    assert.throws(() => openFile(folder.path, name, recordTrouble().trouble), { code: 'ENXIO' })
  })

  it('on a full disk goes on where it ended when there is room again, without a torn line', {
    skip: withoutMounts,
  }, async () => {
    await using disk = await smallDisk(256)
    const filler = join(disk.folder, 'filler')
    writeFileSync(filler, Buffer.alloc(200 * 1024))
    const { trouble, seen } = recordTrouble()
    const file = openFile(disk.folder, name, trouble)
    for (let number = 0; number < 400; number++) file.write(lineOf(number))
    const waiting = file.waiting()
    assert.ok(waiting > 100 && waiting < 400, `${waiting} lines wait`)
    rmSync(filler)
    file.write(lineOf(400))
    assert.equal(file.waiting(), 0)
    assert.equal(readFileSync(join(disk.folder, name), 'utf8'), lines(0, 401))
    assert.deepEqual([seen.ended, seen.lost], [1, 0])
    file.close()
  })

  it('on a full disk that is moved does not divide a line between the old file and the new one', {
    skip: withoutMounts,
  }, async () => {
    await using disk = await smallDisk(64)
    await using other = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    const path = join(other.path, name)
    symlinkSync(join(disk.folder, name), path)
    const { trouble, seen } = recordTrouble()
    const file = openFile(other.path, name, trouble)
    for (let number = 0; number < 400; number++) file.write(lineOf(number))
    rmSync(path)
    assert.equal(reopenLogFiles().opened, 1)
    file.write(lineOf(400))
    file.close()
    const before = readFileSync(join(disk.folder, name), 'utf8')
    const whole = before.slice(0, before.lastIndexOf('\n') + 1)
    // The disk took a part of a line.
    assert.notEqual(whole, before)
    assert.equal(whole + readFileSync(path, 'utf8'), lines(0, 401))
    assert.deepEqual([seen.ended, seen.lost], [1, 0])
  })

  it('that cannot be written keeps a megabyte of lines in memory, and counts the others as lost', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    symlinkSync('/dev/full', join(folder.path, name))
    const { trouble, seen } = recordTrouble()
    const file = openFile(folder.path, name, trouble)
    const size = lineOf(1_000).length
    for (let number = 1_000; number < 9_000; number++) file.write(lineOf(number))
    assert.equal(file.waiting(), Math.floor((1024 * 1024) / size))
    assert.equal(file.waiting() + seen.lost, 8_000)
    file.close()
    assert.deepEqual([seen.ended, seen.lost], [0, 8_000])
  })
})

/** A stream whose reader takes lines only when told to. */
const unreadStream = () => {
  const waiting: (() => void)[] = []
  const stream = {
    writableLength: 0,
    write: (text: string, written: () => void) => {
      stream.writableLength += text.length
      waiting.push(() => {
        stream.writableLength -= text.length
        written()
      })
      return true
    },
  }
  return { stream: stream as unknown as NodeJS.WriteStream, read: () => waiting.shift()?.() }
}

describe('the console', () => {
  it('that nobody reads keeps a megabyte of lines, counts the others as lost, and says when it is read again', () => {
    const { stream, read } = unreadStream()
    const { trouble, seen } = recordTrouble()
    const output = toStream(stream, trouble)
    const piece = lines(1, 1_001)
    output.write(piece)
    assert.equal(output.waiting(), 0)
    for (let count = 0; count < 5; count++) output.write(piece)
    assert.deepEqual(seen, { failed: 2, ended: 0, lost: 2_000 })
    assert.equal(output.waiting(), 4_000)
    for (let count = 0; count < 3; count++) read()
    assert.equal(seen.ended, 0)
    read()
    assert.deepEqual([seen.ended, output.waiting()], [1, 0])
    output.close()
    assert.equal(seen.lost, 2_000)
    output.write(lineOf(1))
    output.close()
    assert.equal(seen.lost, 2_001)
  })
})
