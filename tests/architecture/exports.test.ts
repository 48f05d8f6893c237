import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf, root } from '@shop/testing/files.ts'
import { importsOf, packageOf } from './imports.ts'

const names = ['kernel', 'platform', 'postgres', 'redis', 'workers', 'contracts', 'testing']

/** What a package shows: `./http/server.ts` → `./src/http/server.ts`. */
const exportsOf = (name: string): Record<string, string> =>
  JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')).exports

/** Who imports what of a package from outside of it. */
const importsFromOutside = (name: string): Set<string> =>
  new Set(
    ['packages', 'services', 'tests', 'scripts', 'bench']
      .flatMap((folder) => filesOf(folder, '.ts'))
      .filter((file) => !relative(root, file).startsWith(`packages/${name}/`))
      .filter((file) => !relative(root, file).startsWith('tests/architecture/'))
      .flatMap((file) => importsOf(readFileSync(file, 'utf8')))
      .filter((specifier) => packageOf(specifier) === name)
      .map((specifier) => `.${specifier.slice(`@shop/${name}`.length)}`),
  )

describe('a package', () => {
  for (const name of names)
    it(`${name} shows just what others use of it, file by file`, () => {
      const shown = exportsOf(name)
      for (const [path, file] of Object.entries(shown)) {
        assert.equal(file, path.replace('./', './src/'))
        assert.ok(existsSync(join(root, 'packages', name, file)), file)
      }
      assert.deepEqual(new Set(Object.keys(shown)), importsFromOutside(name))
    })

  it('does not let in who asks for what it does not show', async () => {
    const hidden = '@shop/platform/http/drain.ts'
    await assert.rejects(import(hidden), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
  })
})
