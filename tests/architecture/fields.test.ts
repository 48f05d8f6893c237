import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtempDisposable, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from '@shop/testing/files.ts'

/** The files with an error when the product service is compiled after this change of a copy of it. */
const brokenBy = async (file: string, from: string, to: string): Promise<Set<string>> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-fields-'))
  const service = join(folder.path, 'services/product')
  await mkdir(join(folder.path, 'services'), { recursive: true })
  await cp(join(root, 'services/product/src'), join(service, 'src'), { recursive: true })
  for (const path of ['services/product/package.json', 'tsconfig.json'])
    await cp(join(root, path), join(folder.path, path))
  for (const path of ['node_modules', 'packages']) await symlink(join(root, path), join(folder.path, path))
  const text = await readFile(join(service, 'src', file), 'utf8')
  assert.ok(text.includes(from), `${file} has no ${from}`)
  await writeFile(join(service, 'src', file), text.replace(from, to))
  const config = { extends: './tsconfig.json', include: ['services/product/src'] }
  await writeFile(join(folder.path, 'tsconfig.one.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { stdout } = spawnSync(tsc, ['-p', 'tsconfig.one.json'], { cwd: folder.path, encoding: 'utf8' })
  return new Set([...stdout.matchAll(/^services\/product\/src\/([^(]+)\(\d+/gm)].map(([, path = '']) => path))
}

describe('a new field of a product', () => {
  it('compiles nowhere before it has its place in rules, schemas, patch, message, columns and events', async () => {
    assert.deepEqual(await brokenBy('domain/product.ts', '  name: string\n', '  name: string\n'), new Set())
    const broken = await brokenBy(
      'domain/product.ts',
      '  name: string\n',
      '  name: string\n  brand: string\n',
    )
    for (const file of [
      'domain/product.ts',
      'infrastructure/products-table.ts',
      'infrastructure/seed.ts',
      'interfaces/grpc/product-message.ts',
      'interfaces/http/product-json.ts',
    ])
      assert.ok(broken.has(file), `${file} compiles without it`)
  })

  it('that can be left out compiles nowhere either', async () => {
    const broken = await brokenBy(
      'domain/product.ts',
      '  name: string\n',
      '  name: string\n  brand?: string\n',
    )
    for (const file of [
      'domain/product.ts',
      'infrastructure/products-table.ts',
      'interfaces/grpc/product-message.ts',
      'interfaces/http/product-json.ts',
    ])
      assert.ok(broken.has(file), `${file} compiles without it`)
  })
})

describe('a new key to sort by', () => {
  it('compiles nowhere before it has its column, its word and its text in a cursor', async () => {
    const broken = await brokenBy('domain/product-reader.ts', "'createdAt'>", "'createdAt' | 'updatedAt'>")
    assert.deepEqual(
      broken,
      new Set([
        'infrastructure/postgres-product-reader.ts',
        'interfaces/page-cursor.ts',
        'interfaces/sort-words.ts',
      ]),
    )
  })
})
