import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { filesBrokenBy } from './broken-files.ts'

describe('a new field of a product', () => {
  it('does not compile until the rules, schemas, patch, message, columns and events handle it', async () => {
    const broken = await filesBrokenBy(
      'domain/product.ts',
      '  name: string\n',
      '  name: string\n  unusedField: string\n',
    )
    for (const file of [
      'domain/product.ts',
      'infrastructure/products-table.ts',
      'infrastructure/idempotency/remembered-fields.ts',
      'infrastructure/sample-products.ts',
      'interfaces/grpc/product-message.ts',
      'interfaces/http/product-json.ts',
    ])
      assert.ok(broken.has(file), `${file} compiles without the new field`)
  })
})
