import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { reserveDump } from '../../src/admin/dump-file.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-backup-'))
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

describe('the file of a backup', () => {
  it('and its folder are for the user alone, also a folder that an earlier release has made for all', async () => {
    await using temporary = await temporaryFolder()
    for (const name of ['new', 'old']) {
      const folder = join(temporary.path, name)
      if (name === 'old') mkdirSync(folder)
      if (name === 'old') chmodSync(folder, 0o755)
      const file = reserveDump(folder, 'shop')
      assert.deepEqual([modeOf(folder), modeOf(`${file}.unfinished`)], ['700', '600'])
      writeFileSync(`${file}.sha256`, 'checksum')
      assert.equal(modeOf(`${file}.sha256`), '600', 'further files, too')
    }
  })

  it('has another name than those of the same second, whether they are finished or not', async () => {
    await using folder = await temporaryFolder()
    const names = [reserveDump(folder.path, 'shop'), reserveDump(folder.path, 'shop')]
    const [first = ''] = names
    renameSync(`${first}.unfinished`, first)
    names.push(reserveDump(folder.path, 'shop'))
    assert.deepEqual(
      names,
      ['shop.dump', 'shop-2.dump', 'shop-3.dump'].map((name) => join(folder.path, name)),
    )
  })

  it('whose folder cannot be created is an error for the operator', async () => {
    await using temporary = await temporaryFolder()
    const folder = join(temporary.path, 'backups')
    writeFileSync(folder, 'a file')
    assert.throws(
      () => reserveDump(folder, 'shop'),
      (error) => error instanceof OperatorError && error.message.includes(`into the folder ${folder}: `),
    )
  })
})
