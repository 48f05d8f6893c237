import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtempDisposable, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '@shop/testing/files.ts'

/** Replaces `from` by `to` in a copy of the product service and compiles it. Returns the files with errors. */
export const filesBrokenBy = async (file: string, from: string, to: string): Promise<Set<string>> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-fields-'))
  const service = join(folder.path, 'services/product')
  await mkdir(join(folder.path, 'services'), { recursive: true })
  await cp(join(root, 'services/product/src'), join(service, 'src'), { recursive: true })
  for (const path of ['services/product/package.json', 'tsconfig.json'])
    await cp(join(root, path), join(folder.path, path))
  for (const path of ['node_modules', 'packages']) await symlink(join(root, path), join(folder.path, path))
  const text = await readFile(join(service, 'src', file), 'utf8')
  assert.ok(text.includes(from), `${file} does not contain ${from}`)
  await writeFile(join(service, 'src', file), text.replace(from, to))
  const config = { extends: './tsconfig.json', include: ['services/product/src'] }
  await writeFile(join(folder.path, 'tsconfig.one.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { stdout } = spawnSync(tsc, ['-p', 'tsconfig.one.json'], { cwd: folder.path, encoding: 'utf8' })
  return new Set([...stdout.matchAll(/^services\/product\/src\/([^(]+)\(\d+/gm)].map(([, path = '']) => path))
}
