import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from '@shop/testing/files.ts'
import { sourceFiles } from './imports.ts'

const maxFiles = 16

/** The folders with more than `maxFiles` files. */
const crowdedFolders = (files: readonly string[]): string[] => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  return [...counts].filter(([, count]) => count > maxFiles).map(([folder]) => folder)
}

/** Runs the linter with the project's configuration on a file with this path and text. Returns its output. */
const lint = async (path: string, text: string): Promise<string> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-lint-'))
  await cp(join(root, '.oxlintrc.json'), join(folder.path, '.oxlintrc.json'))
  await mkdir(join(folder.path, dirname(path)), { recursive: true })
  await writeFile(join(folder.path, path), text)
  const program = join(root, 'node_modules/.bin/oxlint')
  const { stdout } = spawnSync(program, ['--format=unix'], { cwd: folder.path, encoding: 'utf8' })
  return stdout
}

const lines = (count: number) =>
  Array.from({ length: count }, (_, index) => `export const x${index} = ${index}\n`).join('')

describe('size limits', () => {
  it(`allow at most ${maxFiles} files in a folder`, () => {
    assert.deepEqual(crowdedFolders(sourceFiles()), [])
    const tooMany = Array.from(
      { length: maxFiles + 1 },
      (_, index) => `packages/platform/src/http/${index}.ts`,
    )
    assert.deepEqual(crowdedFolders(tooMany), ['packages/platform/src/http'])
  })

  for (const path of ['packages/platform/src/http/long.ts', 'services/basket/src/domain/long.ts'])
    it(`allow at most 150 lines in a file like ${path}, enforced by the linter`, async () => {
      assert.match(await lint(path, lines(151)), /max-lines/)
      assert.doesNotMatch(await lint(path, lines(150)), /max-lines/)
    })

  it('allow at most 40 lines in a function, enforced by the linter', async () => {
    const functionOfLines = (count: number) =>
      `export const f = (n: number) => {\n${'  n += 1\n'.repeat(count - 3)}  return n\n}\n`
    const path = 'packages/redis/src/long.ts'
    assert.match(await lint(path, functionOfLines(41)), /max-lines-per-function/)
    assert.doesNotMatch(await lint(path, functionOfLines(40)), /max-lines-per-function/)
  })
})
