import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf } from '@shop/kernel/errors.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Product, requireExisting } from '../../../src/domain/product.ts'
import type { PublishedProductEvent } from '../../../src/domain/product-events.ts'
import { batchedProductReader } from '../../../src/infrastructure/batched-product-reader.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openReader, openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import { changeProduct, creationOf, deleteProduct, openServerDatabase } from '../../support/store.ts'

const processes = 2
const writersPerProcess = 32
const durationMs = 15_000

const timesOf = (count: number) => Array.from({ length: count }, (_, n) => n)

/** Opens what each of two processes has, on one migrated database, with the events that each has published. */
const openProcesses = async (url: string, stack: AsyncDisposableStack) => {
  const { database } = stack.use(openServerDatabase(url))
  await migrations.apply(database)
  const published: PublishedProductEvent[] = []
  const opened = timesOf(processes).map(() => {
    const own = stack.use(openServerDatabase(url))
    return {
      products: openRepository(own.database, (events) => published.push(...events)),
      reader: batchedProductReader(openReader(own.database)),
    }
  })
  return { database, published, opened }
}

const deadlocksOf = async (name: string) => {
  const [row] = await query<{ deadlocks: string }>(
    `select deadlocks from pg_stat_database where datname = '${name}'`,
  )
  return row?.deadlocks
}

test('two processes that change the same products lose no acknowledged write, apply none twice, and do not deadlock', {
  skip: withoutPostgres,
}, async () => {
  await using own = await ownDatabase()
  await using stack = new AsyncDisposableStack()
  const { published, opened } = await openProcesses(own.url, stack)
  const [first] = opened
  assert.ok(first)
  const added = await Promise.all(timesOf(5).map(() => first.products.add(creationOf({ stock: 0 }))))
  published.length = 0
  const acknowledged = new Map<number, number[]>(added.map(({ id }) => [id, []]))
  const uncertain = new Map<number, number>(added.map(({ id }) => [id, 0]))
  let created = 0
  let stale = 0
  const end = performance.now() + durationMs

  const writeUntilEnd = async (process: (typeof opened)[number], writer: number) => {
    for (let round = writer; performance.now() < end; round += 1) {
      const { id } = added[round % added.length] ?? assert.fail()
      const increment = (product: Product) => ({ ...product, stock: product.stock + 1 })
      try {
        if (round % 7 === 0) {
          // A precondition, as of If-Match, on what was read before.
          const read = await process.reader.find(id)
          assert.ok(read)
          const { version, stock } = await process.products.update(id, (stored) => ({
            product: increment(requireExisting(id, stored, [{ version: read.version }])),
            events: [{ type: 'product_updated', changed: ['stock'] }],
          }))
          assert.deepEqual([version, stock], [read.version + 1, read.stock + 1])
          acknowledged.get(id)?.push(version)
        } else if (round % 11 === 0) {
          const extra = await process.products.add(creationOf({ name: 'extra' }))
          created += 1
          if (round % 2 === 0) {
            await deleteProduct(process.products, extra.id)
            created -= 1
          }
        } else {
          const { version, stock } = await changeProduct(process.products, id, increment)
          assert.equal(version, stock + 1)
          acknowledged.get(id)?.push(version)
        }
      } catch (error) {
        const code = codeOf(error)
        if (code === 'stale_version') stale += 1
        else if (code === 'unavailable') uncertain.set(id, (uncertain.get(id) ?? 0) + 1)
        else throw error
      }
    }
  }
  await Promise.all(
    opened.flatMap((process) => timesOf(writersPerProcess).map((writer) => writeUntilEnd(process, writer))),
  )

  const total = [...acknowledged.values()].reduce((sum, { length }) => sum + length, 0)
  assert.ok(total > 500, `only ${total} changes`)
  for (const [id, versions] of acknowledged) {
    assert.equal(new Set(versions).size, versions.length, 'a version was acknowledged twice')
    const stored = await first.reader.find(id)
    assert.ok(stored)
    assert.equal(stored.version, stored.stock + 1)
    assert.ok(stored.stock >= versions.length, `${stored.stock} of ${versions.length} acknowledged`)
    assert.ok(
      stored.stock <= versions.length + (uncertain.get(id) ?? 0),
      `${stored.stock}, ${versions.length}`,
    )
    const events = published.filter(({ productId }) => productId === id).map(({ version }) => version)
    assert.deepEqual(
      events.toSorted((one, other) => one - other),
      versions.toSorted((one, other) => one - other),
    )
  }
  assert.ok(stale > 0, 'no precondition failed')
  const extra = await query<{ count: string }>("select count(*) from products where name = 'extra'", own.url)
  assert.equal(Number(extra[0]?.count), created)
  await stack.disposeAsync()
  assert.equal(Number(await deadlocksOf(own.name)), 0)
})

test('two processes that change and remove overlapping sets of products at the same moments do not deadlock', {
  skip: withoutPostgres,
}, async () => {
  await using own = await ownDatabase()
  await using stack = new AsyncDisposableStack()
  const { opened } = await openProcesses(own.url, stack)
  const [first] = opened
  assert.ok(first)
  const { products, reader } = first
  for (const round of timesOf(40)) {
    const added = await Promise.all(timesOf(60).map(() => products.add(creationOf({ stock: 0 }))))
    // One process goes through the products in the opposite order.
    const outcomes = await Promise.all(
      opened.map((process, index) =>
        Promise.allSettled(
          (index === 0 ? added : added.toReversed()).map(({ id }) =>
            (id + index) % 3 === 0
              ? deleteProduct(process.products, id)
              : changeProduct(process.products, id, (product) => ({ ...product, stock: product.stock + 1 })),
          ),
        ),
      ),
    )
    const errors = outcomes
      .flat()
      .flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    for (const error of errors) assert.equal(codeOf(error), 'not_found', `round ${round}`)
    const stored = await reader.findMany(added.map(({ id }) => id))
    for (const { id, stock, version } of stored) {
      assert.ok(id % 3 === 1, `${id} was removed`)
      assert.deepEqual([stock, version], [2, 3])
    }
    assert.equal(stored.length, 20)
  }
  await stack.disposeAsync()
  assert.equal(Number(await deadlocksOf(own.name)), 0)
})

test('during a storm of writes by two processes, every acknowledged write is read by both at once, and no version goes back', {
  skip: withoutPostgres,
}, async () => {
  await using own = await ownDatabase()
  await using stack = new AsyncDisposableStack()
  const { opened } = await openProcesses(own.url, stack)
  const [first] = opened
  assert.ok(first)
  const added = await Promise.all(
    timesOf(16).map((n) => first.products.add(creationOf({ stock: 0, name: `p${n}` }))),
  )
  const end = performance.now() + durationMs
  let checked = 0
  const listed = async ({ reader }: (typeof opened)[number], id: number) => {
    const sort = { by: 'id', descending: false } as const
    const { products } = await reader.list({ sort, limit: 100 })
    return products.find((product) => product.id === id)
  }
  const writeUntilEnd = async (writer: number) => {
    const [writing, other] = writer % 2 === 0 ? opened : opened.toReversed()
    const { id } = added[writer % added.length] ?? assert.fail()
    assert.ok(writing && other)
    for (let round = 0; performance.now() < end; round += 1) {
      const { version, stock } = await changeProduct(writing.products, id, (product) => ({
        ...product,
        stock: product.stock + 1,
      }))
      const reads: Promise<Product | undefined>[] = [writing, other].flatMap((process) => [
        process.reader.find(id),
        listed(process, id),
      ])
      for (const read of await Promise.all(reads)) {
        assert.ok(read !== undefined && read.version >= version, `${read?.version} was read after ${version}`)
        assert.ok(read.stock >= stock)
      }
      checked += 4
      if (round % 9 !== 0) continue
      const created: Product = await writing.products.add(creationOf({ name: 'extra' }))
      assert.equal((await other.reader.find(created.id))?.version, 1)
      await deleteProduct(other.products, created.id)
      assert.equal(await writing.reader.find(created.id), undefined)
    }
  }
  const readUntilEnd = async ({ reader }: (typeof opened)[number], reading: number) => {
    const seen = new Map<number, number>()
    while (performance.now() < end) {
      const { id } = added[reading % added.length] ?? assert.fail()
      const stored = await reader.find(id)
      assert.ok(stored !== undefined && stored.version >= (seen.get(id) ?? 0), 'a version went back')
      assert.equal(stored.version, stored.stock + 1)
      seen.set(id, stored.version)
    }
  }
  await Promise.all([
    ...timesOf(64).map(writeUntilEnd),
    ...opened.flatMap((process) => timesOf(8).map((reading) => readUntilEnd(process, reading))),
  ])
  assert.ok(checked > 500, `only ${checked} reads were checked`)
})
