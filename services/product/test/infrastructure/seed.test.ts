import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generateProducts, seedGenerated } from '../../src/infrastructure/generated-products.ts'
import { sorts } from '../support/sorts.ts'
import { engines } from '../support/store.ts'

const firstOf = (seed: number, count: number) => generateProducts(seed).take(count).toArray()

describe('generated products', () => {
  it('are the same for the same seed and differ for another seed', () => {
    assert.deepEqual(firstOf(7, 1_000), firstOf(7, 1_000))
    assert.notDeepEqual(firstOf(7, 10), firstOf(8, 10))
  })

  it('have unique names and several categories, and some are out of stock', () => {
    const products = firstOf(1, 5_000)
    assert.equal(new Set(products.map(({ name }) => name)).size, 5_000)
    assert.ok(new Set(products.map(({ category }) => category)).size > 5)
    assert.ok(products.some(({ stock }) => stock === 0))
  })

  for (const { engine, open, skip } of engines) {
    it(`are stored unchanged, in batches, in ${engine}`, { skip }, async () => {
      await using store = await open()
      const progress: number[] = []
      await seedGenerated(store.database, {
        count: 5_001,
        seed: 7,
        onProgress: (stored) => progress.push(stored),
      })
      assert.deepEqual(progress, [5_000, 5_001])
      const { products } = await store.reader.list({ sort: sorts['-id'], limit: 1 })
      const [last] = products
      assert.ok(last)
      const { id: _id, version: _version, createdAt: _created, updatedAt: _updated, ...fields } = last
      assert.deepEqual(fields, firstOf(7, 5_001).at(-1))
    })
  }
})
