import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf, root } from '@shop/testing/files.ts'
import { importsOf, packageOf } from './imports.ts'

const packageNames = ['kernel', 'platform', 'postgres', 'redis', 'workers', 'contracts', 'testing']

/** The `exports` of a package's manifest: `./http/server.ts` → `./src/http/server.ts`. */
const exportsOf = (name: string): Record<string, string> =>
  JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')).exports

/** The paths of a package that files outside it import, written as in `exports`. */
const pathsImportedFrom = (name: string): Set<string> =>
  new Set(
    ['packages', 'services', 'tests', 'scripts', 'bench']
      .flatMap((folder) => filesOf(folder, '.ts'))
      .filter((file) => !relative(root, file).startsWith(`packages/${name}/`))
      .filter((file) => !relative(root, file).startsWith('tests/architecture/'))
      .flatMap((file) => importsOf(readFileSync(file, 'utf8')))
      .filter((specifier) => packageOf(specifier) === name)
      .map((specifier) => `.${specifier.slice(`@shop/${name}`.length)}`),
  )

describe('package exports', () => {
  for (const name of packageNames)
    it(`of ${name} are exactly the files that the rest of the project imports`, () => {
      const exported = exportsOf(name)
      for (const [path, file] of Object.entries(exported)) {
        assert.equal(file, path.replace('./', './src/'))
        assert.ok(existsSync(join(root, 'packages', name, file)), file)
      }
      assert.deepEqual(new Set(Object.keys(exported)), pathsImportedFrom(name))
    })

  it('prevent the import of a file that they do not list', async () => {
    const internal = '@shop/platform/http/drain.ts'
    await assert.rejects(import(internal), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
  })
})
