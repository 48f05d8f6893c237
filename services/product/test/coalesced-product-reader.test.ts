import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProductReader } from '../src/domain/product-reader.ts'
import { coalescedProductReader } from '../src/infrastructure/coalesced-product-reader.ts'
import { postgresProductReader } from '../src/infrastructure/postgres-product-reader.ts'
import { engines, fieldsOf } from './support.ts'

const writes = 300

for (const { engine, open, skip } of engines)
  test(`every read sees the write that was acknowledged before it, in a storm of reads, in ${engine}`, {
    skip,
  }, async () => {
    await using store = await open()
    const { id } = await store.products.add(fieldsOf({ stock: 0 }))
    let queries = 0
    const direct = postgresProductReader(store.database)
    const counting: ProductReader = {
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
    const reader = coalescedProductReader(counting)
    const listing = { sort: 'stock', limit: 10 } as const

    let reads = 0
    const over = new AbortController()
    const storm = async () => {
      while (!over.signal.aborted) {
        await Promise.all([reader.find(id), reader.find(id + 1), reader.list(listing)])
        reads += 3
      }
    }
    const readers = Array.from({ length: 8 }, storm)
    for (let stock = 1; stock <= writes; stock++) {
      await store.products.update(id, (product) => ({ ...product, stock }))
      const [found, listed] = await Promise.all([reader.find(id), reader.list(listing)])
      assert.equal(found?.stock, stock)
      assert.equal(listed.products[0]?.stock, stock)
    }
    over.abort()
    await Promise.all(readers)
    assert.ok(queries < reads / 2, `${queries} queries for ${reads} reads`)
  })
