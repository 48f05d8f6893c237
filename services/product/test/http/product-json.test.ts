import assert from 'node:assert/strict'
import { test } from 'node:test'
import { productJson } from '../../src/interfaces/http/product-json.ts'

test('a product has the time of its creation and that of its last change, whether they are the same or not', () => {
  const createdAt = new Date('2026-11-22T09:58:00.123Z')
  const fields = { name: 'Lamp', description: '', price: 1n, stock: 0, category: '', groupId: null }
  for (const updatedAt of [new Date(createdAt), new Date('2026-11-22T09:58:00.124Z')]) {
    const json = productJson({ id: 1, ...fields, version: 1, createdAt, updatedAt }, 'EUR')
    assert.equal(json.created_at, '2026-11-22T09:58:00.123Z')
    assert.equal(json.updated_at, updatedAt.toISOString())
  }
})
