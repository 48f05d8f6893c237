import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from '@shop/testing/files.ts'

const program = `
  import { getCompileCacheDir } from 'node:module'
  import { useCompileCache } from '@shop/platform/process/compile-cache.ts'
  useCompileCache()
  process.stdout.write(String(getCompileCacheDir()))
`

/** The folder of the compile cache of a process that `useCompileCache` was called in. */
const folderWith = (environment: Readonly<Record<string, string>>): string => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    // Where the package is known by its name.
    { cwd: join(root, 'services/product'), env: environment, encoding: 'utf8' },
  )
  assert.equal(status, 0, stderr)
  return stdout
}

describe('the compile cache', () => {
  it('is in the project, where only those who may change the program can write', () => {
    const folder = join(root, 'node_modules/.cache/node-compile-cache')
    assert.ok(folderWith({}).startsWith(`${folder}/`))
  })

  it('is in the folder that NODE_COMPILE_CACHE names', () => {
    const folder = mkdtempSync(join(tmpdir(), 'compile-cache-'))
    try {
      assert.ok(folderWith({ NODE_COMPILE_CACHE: folder }).startsWith(`${folder}/`))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('is off if NODE_DISABLE_COMPILE_CACHE is set', () => {
    assert.equal(folderWith({ NODE_DISABLE_COMPILE_CACHE: '1' }), 'undefined')
  })
})
