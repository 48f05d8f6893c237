import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileReader } from '../src/file-reader.ts'

it('those who read a file while it is read share one reading, and later ones see what has changed', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'file-'))
  const path = join(folder.path, 'file')
  await writeFile(path, 'one')
  const read = fileReader(path, 10)
  const contents = await Promise.all([read(), read(), read()])
  assert.equal(new Set(contents).size, 1)
  await writeFile(path, 'two')
  assert.deepEqual(await read(), { bytes: Buffer.from('two') })
  await writeFile(path, 'more than ten')
  assert.deepEqual(await read(), { problem: 'must name a file of at most 10 bytes' })
})
