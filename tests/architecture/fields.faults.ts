import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { filesBrokenBy } from './broken-files.ts'

describe('a field of a product', () => {
  it('compiles as it is', async () => {
    assert.deepEqual(
      await filesBrokenBy('domain/product.ts', '  name: string\n', '  name: string\n'),
      new Set(),
    )
  })

  it('does not compile even if it is optional', async () => {
    const broken = await filesBrokenBy(
      'domain/product.ts',
      '  name: string\n',
      '  name: string\n  unusedField?: string\n',
    )
    for (const file of [
      'domain/product.ts',
      'infrastructure/products-table.ts',
      'interfaces/grpc/product-message.ts',
      'interfaces/http/product-json.ts',
    ])
      assert.ok(broken.has(file), `${file} compiles without the new field`)
  })
})

describe('a new sort key', () => {
  it('does not compile until it has a column, a query word and a cursor encoding', async () => {
    const broken = await filesBrokenBy(
      'domain/product-reader.ts',
      "'createdAt'>",
      "'createdAt' | 'updatedAt'>",
    )
    assert.deepEqual(
      broken,
      new Set([
        'infrastructure/reading/page-query.ts',
        'interfaces/page-cursor.ts',
        'interfaces/sort-words.ts',
      ]),
    )
  })
})
