import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lowestStockFirst, type ProductReader } from '../../src/domain/product-reader.ts'
import { batchedProductReader } from '../../src/infrastructure/batched-product-reader.ts'
import { postgresProductReader } from '../../src/infrastructure/postgres-product-reader.ts'
import { changeProduct, creationOf, engines } from '../support/store.ts'

const writes = 300

for (const { engine, open, skip } of engines)
  test(`every read sees the writes acknowledged before it, under constant concurrent reads, in ${engine}`, {
    skip,
  }, async () => {
    await using store = await open()
    const { id } = await store.products.add(creationOf({ stock: 0 }))
    let queries = 0
    const direct = postgresProductReader(store.database)
    const countingReader: ProductReader = {
      ...direct,
      findMany: (ids) => {
        queries += 1
        return direct.findMany(ids)
      },
      list: (listing) => {
        queries += 1
        return direct.list(listing)
      },
    }
    const reader = batchedProductReader(countingReader)
    const listing = { sort: lowestStockFirst, limit: 10 }

    let reads = 0
    const stop = new AbortController()
    const readUntilStopped = async () => {
      while (!stop.signal.aborted) {
        await Promise.all([reader.find(id), reader.find(id + 1), reader.list(listing)])
        reads += 3
      }
    }
    const readers = Array.from({ length: 8 }, readUntilStopped)
    for (let stock = 1; stock <= writes; stock++) {
      await changeProduct(store.products, id, (product) => ({ ...product, stock }))
      const [found, listed] = await Promise.all([reader.find(id), reader.list(listing)])
      assert.equal(found?.stock, stock)
      assert.equal(listed.products[0]?.stock, stock)
    }
    stop.abort()
    await Promise.all(readers)
    assert.ok(queries < reads / 2, `${queries} queries for ${reads} reads`)
  })
