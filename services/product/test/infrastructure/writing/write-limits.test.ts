import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import type { Product } from '../../../src/domain/product.ts'
import { byId, type ProductReader } from '../../../src/domain/product-reader.ts'
import type { ProductRepository } from '../../../src/domain/product-repository.ts'
import { batchedProductReader } from '../../../src/infrastructure/batched-product-reader.ts'
import { poolShares } from '../../../src/infrastructure/limits/pool-shares.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import { postgresProductReader } from '../../../src/infrastructure/postgres-product-reader.ts'
import type { Database } from '../../../src/infrastructure/products-table.ts'
import { holdLocks } from '../../support/locks.ts'
import { recordStatements } from '../../support/statements.ts'
import { changeProduct, creationOf, deleteProduct, openServerDatabase } from '../../support/store.ts'

const timesOf = (count: number) => Array.from({ length: count }, (_, n) => n)
const { creations, changes } = poolShares()
const by = <Result>(client: string, work: () => Result): Result =>
  requestContext.run({ requestId: client, client }, work)

describe('writes that wait', { skip: withoutPostgres }, () => {
  let stack: AsyncDisposableStack
  let url: string
  let database: Database
  let products: ProductRepository
  let reader: ProductReader
  let matching: (pattern: RegExp) => string[]
  const metrics = createMetrics('test', '0')
  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    ;({ url } = stack.use(await ownSchema()))
    const opened = stack.use(openServerDatabase(url))
    ;({ database } = opened)
    await migrations.apply(database)
    const recorded = recordStatements(database)
    ;({ matching } = recorded)
    products = openRepository(recorded.database, () => {}, poolShares(10, metrics))
    reader = batchedProductReader(postgresProductReader(database))
  })
  afterEach(() => stack.disposeAsync())

  const addMany = (count: number) =>
    Promise.all(timesOf(count).map(() => products.add(creationOf({ stock: 0 }))))
  const increment = ({ id }: Pick<Product, 'id'>) =>
    changeProduct(products, id, (product) => ({ ...product, stock: product.stock + 1 }))
  /** Blocks writes, and not reads. */
  const blockWrites = () => holdLocks(url, 'lock table products in exclusive mode')
  /** Adds one in each turn of the event loop, so that none shares a batch with the next while a slot is free. */
  const oneByOne = async <Result>(count: number, add: (n: number) => Promise<Result>) => {
    const results: Promise<Result>[] = []
    for (const n of timesOf(count)) {
      results.push(add(n))
      await tick()
      await tick()
    }
    return results
  }

  it('use at most two connections for new products, two for updates and two for removals; reads go on', async () => {
    const added = await addMany(120)
    await using locks = await blockWrites()
    const pending = [
      ...(await oneByOne(60, () => products.add(creationOf()))),
      ...(await oneByOne(60, (n) => increment(added[n] ?? assert.fail()))),
      ...(await oneByOne(60, (n) => deleteProduct(products, added[60 + n]?.id ?? 0))),
    ]
    const settled = Promise.allSettled(pending)
    await eventually(5_000, async () => assert.ok((await locks.blockedStatements()).length >= 4))
    for (const { id } of added.slice(0, 4)) {
      await Promise.all([reader.find(id), reader.list({ sort: byId, limit: 5 })])
      const blocked = await locks.blockedStatements()
      assert.ok(blocked.length <= 6, `${blocked.length} connections`)
      for (const operation of [/^\W*insert/, /^\W*update/, /^\W*delete/])
        assert.ok(blocked.filter((text) => operation.test(text)).length <= 2, blocked.join('\n'))
    }
    await locks.release()
    // On a busy machine, some may have waited too long.
    for (const outcome of await settled)
      if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'unavailable')
  })

  it('share statements when it is their turn', async () => {
    const added = await addMany(100)
    await using locks = await blockWrites()
    const before = matching(/./).length
    const pending = [
      ...(await oneByOne(100, () => products.add(creationOf()))),
      ...(await oneByOne(100, (n) => increment(added[n] ?? assert.fail()))),
    ]
    await eventually(5_000, async () =>
      assert.equal((await locks.blockedStatements()).length, creations.slots + changes.slots),
    )
    await locks.release()
    await Promise.allSettled(pending)
    const { length } = matching(/./)
    assert.ok(length - before <= 20, `${length - before} statements for 200 writes`)
  })

  for (const [kind, waitFor] of [
    ['new products', /insert/],
    ['changes', /update products/],
  ] as const)
    it(`of one client are 250 at most, and 1,000 in total, for ${kind}; what is refused is never written`, async () => {
      const added = await addMany(10)
      const seen = matching(waitFor).length
      const write = (n: number): Promise<Product> =>
        kind === 'changes' ? increment(added[n % 10] ?? assert.fail()) : products.add(creationOf())
      await using locks = await blockWrites()
      const { slots } = kind === 'changes' ? changes : creations
      const running = await oneByOne(slots, write)
      await eventually(5_000, async () => assert.equal(matching(waitFor).length - seen, slots))
      const before = await countRefusals()
      const greedy = timesOf(251).map((n) => by('greedy', () => write(n)))
      const others = timesOf(750).map((n) => by(`client ${n % 10}`, () => write(n)))
      const [last, tooMany] = [greedy.pop(), by('late', () => write(0))]
      await assert.rejects(last ?? assert.fail(), {
        code: 'rate_limited',
        message: /^too many writes from your/,
      })
      await assert.rejects(tooMany, { code: 'unavailable', message: 'too many writes, try again later' })
      // No other one was refused.
      assert.deepEqual(await countRefusals(), { client: before.client + 1, total: before.total + 1 })
      await locks.release()
      const outcomes = await Promise.allSettled([...running, ...greedy, ...others])
      // On a busy machine, the last ones may have waited too long.
      const written = outcomes.filter(({ status }) => status === 'fulfilled').length
      assert.ok(written > slots, `${written} were written`)
      const { rows } = await countRows()
      assert.deepEqual(
        rows,
        kind === 'changes'
          ? { products: 10, stock: written }
          : { products: 10 + written, stock: 5 * written },
      )
    })

  const countRefusals = async () => {
    const counts = { client: 0, total: 0 }
    for (const { labels, value } of (await metrics.refusals.get()).values) {
      const { reason, scope } = { reason: '', scope: '', ...labels }
      if (reason === 'writes' && (scope === 'client' || scope === 'total')) counts[scope] += value
    }
    return counts
  }

  const countRows = async () => {
    const list = await reader.list({ sort: byId, limit: 2_000 })
    const stock = list.products.reduce((sum, product) => sum + product.stock, 0)
    return { rows: { products: list.products.length, stock } }
  }

  it('of a client with many do not delay the write of another by more than the batch before it', async () => {
    const { add: addOne } = openRepository(database, () => {}, poolShares(1))
    const write = (client: string) => by(client, () => addOne(creationOf({ name: client })))
    await using locks = await blockWrites()
    const running = write('running')
    await eventually(5_000, async () => assert.equal((await locks.blockedStatements()).length, 1))
    const many = timesOf(250).map(() => write('many'))
    const single = write('single')
    await locks.release()
    await Promise.all([running, single, ...many])
    // One batch runs at a time, in the order of the ids, and takes the clients in turn.
    const { products: stored } = await reader.list({ sort: byId, limit: 4 })
    assert.deepEqual(
      stored.map(({ name }) => name),
      ['running', 'many', 'single', 'many'],
    )
  })

  it('are refused after two seconds, and are never written', async () => {
    await using locks = await blockWrites()
    const running = Promise.allSettled(
      await oneByOne(creations.slots, () => products.add(creationOf({ name: 'running' }))),
    )
    const waiting = timesOf(20).map(() => products.add(creationOf({ name: 'waiting' })))
    for (const write of waiting)
      await assert.rejects(write, { code: 'unavailable', message: 'too many writes, try again later' })
    await locks.release()
    await running
    await products.add(creationOf({ name: 'later' }))
    const { products: stored } = await reader.list({ sort: byId, limit: 100 })
    assert.ok(!stored.some(({ name }) => name === 'waiting'))
  })
})
