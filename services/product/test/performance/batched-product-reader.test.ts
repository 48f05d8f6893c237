import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { lowestStockFirst, type ProductReader } from '../../src/domain/product-reader.ts'
import { batchedProductReader } from '../../src/infrastructure/batched-product-reader.ts'
import { openReader } from '../../src/infrastructure/postgres-ports.ts'
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

for (const { engine, open, skip } of engines)
  test(`a row that cannot be read fails only the reads that ask for it, in ${engine}`, { skip }, async () => {
    await using store = await open()
    const ids: number[] = []
    for (let count = 0; count < 5; count++) ids.push((await store.products.add(creationOf())).id)
    const [damaged = 0] = ids
    await sql`update products set version = 0 where id = ${damaged}`.execute(store.database)
    const reader = batchedProductReader(openReader(store.database))
    const reads: ((id: number) => Promise<unknown>)[] = [reader.find, (id) => reader.findMany([id])]
    for (const read of reads) {
      const outcomes = await Promise.allSettled(ids.map((id) => read(id)))
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
      )
    }
  })
