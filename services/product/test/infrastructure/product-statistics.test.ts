import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { catalogStatistics } from '../../src/application/queries/catalog-statistics.ts'
import { creationOf, engines } from '../support/store.ts'

const product = fc.record({
  price: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
  stock: fc.oneof(fc.constantFrom(0, 1, 10, 11), fc.nat(2_147_483_647)),
  category: fc.constantFrom('', 'Books', 'Toys', 'Home', 'Music'),
})

const sumOf = (values: readonly bigint[]) => values.reduce((sum, value) => sum + value, 0n)

for (const { engine, open, skip } of engines)
  describe(`catalog statistics in ${engine}`, { skip }, () => {
    test('match the products to the cent', async () => {
      await using store = await open()
      const read = catalogStatistics(store)
      await fc.assert(
        fc.asyncProperty(fc.array(product, { maxLength: 12 }), async (products) => {
          await sql`truncate products cascade`.execute(store.database)
          for (const fields of products) await store.products.add(creationOf(fields))
          const { products: bands, topCategories, others } = await read()

          const inBand = (from: number, to: number) =>
            products.filter(({ stock }) => stock >= from && stock <= to).length
          assert.deepEqual(bands, { out: inBand(0, 0), low: inBand(1, 10), ok: inBand(11, Infinity) })
          for (const { category, value } of topCategories)
            assert.equal(
              value,
              sumOf(
                products
                  .filter((one) => one.category === category)
                  .map(({ price, stock }) => price * BigInt(stock)),
              ),
            )
          assert.equal(topCategories.length, new Set(products.map(({ category }) => category)).size)
          assert.equal(others, 0n)
        }),
        { numRuns: 15 },
      )
    })

    test('list the twenty most valuable categories and the total of the others', async () => {
      await using store = await open()
      for (let number = 1; number <= 23; number++)
        await store.products.add(creationOf({ category: `c${number}`, price: BigInt(number), stock: 1 }))
      const { topCategories, others, products } = await catalogStatistics(store)()
      assert.deepEqual(
        topCategories.map(({ category }) => category),
        Array.from({ length: 20 }, (_, index) => `c${23 - index}`),
      )
      assert.equal(others, 6n)
      assert.deepEqual(products, { out: 0, low: 23, ok: 0 })
    })
  })
