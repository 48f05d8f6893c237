import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Product, requireExisting, reviseProduct } from '../../../src/domain/product.ts'
import { byId, type ProductReader } from '../../../src/domain/product-reader.ts'
import type { ProductRepository } from '../../../src/domain/product-repository.ts'
import { batchedProductReader } from '../../../src/infrastructure/batched-product-reader.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import { postgresProductReader } from '../../../src/infrastructure/postgres-product-reader.ts'
import { holdLocks } from '../../support/locks.ts'
import { execute } from '../../support/schema.ts'
import { recordStatements } from '../../support/statements.ts'
import { changeProduct, creationOf, deleteProduct, openServerDatabase } from '../../support/store.ts'

const timesOf = (count: number) => Array.from({ length: count }, (_, n) => n)

describe('a product that another session has locked', { skip: withoutPostgres }, () => {
  let stack: AsyncDisposableStack
  let url: string
  let matching: (pattern: RegExp) => string[]
  let products: ProductRepository
  let reader: ProductReader
  let added: readonly Product[]
  let opened: ReturnType<typeof openServerDatabase>
  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    ;({ url } = stack.use(await ownSchema()))
    opened = stack.use(openServerDatabase(url))
    await migrations.apply(opened.database)
    const recorded = recordStatements(opened.database)
    ;({ matching } = recorded)
    products = openRepository(recorded.database, () => {})
    reader = batchedProductReader(postgresProductReader(opened.database))
    added = await Promise.all(timesOf(20).map(() => products.add(creationOf({ stock: 0 }))))
  })
  afterEach(() => stack.disposeAsync())

  const increment = (product: Product) => ({ ...product, stock: product.stock + 1 })
  const add = ({ id }: Pick<Product, 'id'>) => changeProduct(products, id, increment)
  const lock = ({ id }: Pick<Product, 'id'>, strength = 'update') =>
    holdLocks(url, `select from products where id = ${id} for ${strength}`)
  const productAt = (index: number): Product => added[index] ?? assert.fail()
  const untilBlocked = ({ blockedStatements }: Awaited<ReturnType<typeof lock>>) =>
    eventually(5_000, async () => assert.equal((await blockedStatements()).length, 1))

  it('does not delay the others of the same moment; its changes follow when it is free, in their order', async () => {
    const hot = productAt(5)
    await using locks = await lock(hot)
    let isDone = false
    const waiting = Promise.all(timesOf(3).map(() => add(hot))).finally(() => {
      isDone = true
    })
    const others = added.filter(({ id }) => id !== hot.id)
    const written = await Promise.all(others.map(add))
    assert.deepEqual(
      written.map(({ stock, version }) => [stock, version]),
      others.map(() => [1, 2]),
    )
    await untilBlocked(locks)
    assert.equal(isDone, false)
    await locks.release()
    assert.deepEqual(
      (await waiting).map(({ stock, version }) => [stock, version]),
      [
        [1, 2],
        [2, 3],
        [3, 4],
      ],
    )
    assert.equal((await reader.find(hot.id))?.version, 4)
  })

  it('does not delay later changes, removals and new products', async () => {
    const hot = productAt(0)
    await using locks = await lock(hot)
    const waiting = [add(hot), deleteProduct(products, hot.id)]
    await untilBlocked(locks)
    for (const round of timesOf(3)) {
      await Promise.all([
        add(productAt(1)),
        deleteProduct(products, productAt(2 + round).id),
        products.add(creationOf()),
      ])
      waiting.push(add(hot))
    }
    assert.equal((await locks.blockedStatements()).length, 1)
    await locks.release()
    const outcomes = await Promise.allSettled(waiting)
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', ...timesOf(3).map(() => 'rejected')],
    )
  })

  it('is changed at once if the other session only refers to it, as an open order does', async () => {
    await execute(opened.database, 'create table orders (product integer references products)')
    await using order = await holdLocks(url, `insert into orders values (${productAt(0).id})`)
    await Promise.all(added.map(add))
    assert.deepEqual(await order.blockedStatements(), [])
    assert.deepEqual(matching(/^select .* for (no key )?update$/), [])
    await order.release()
  })

  it('is changed at once beside an open order, also if the schema refuses one of the changes', async () => {
    await execute(
      opened.database,
      'create table orders (product integer references products); alter table products add check (stock <> 13)',
    )
    const ordered = productAt(0)
    await using order = await holdLocks(url, `insert into orders values (${ordered.id})`)
    const [changed, refused] = await Promise.allSettled([
      add(ordered),
      changeProduct(products, ordered.id, (product) => ({ ...product, stock: 13 })),
    ])
    assert.equal(refused.status, 'rejected')
    assert.deepEqual(changed.status === 'fulfilled' && [changed.value.stock, changed.value.version], [1, 2])
    // A removal waits for the order, and is refused because of it.
    const removal = assert.rejects(deleteProduct(products, ordered.id), hasCode('product_referenced'))
    await untilBlocked(order)
    // It holds no lock meanwhile, so the order may still change the product.
    await order.execute(
      `set local lock_timeout = '300ms'; update products set stock = 3 where id = ${ordered.id}`,
    )
    await order.commit()
    await removal
    assert.equal((await reader.find(ordered.id))?.stock, 3)
  })

  it('has been changed meanwhile by the other session: its changes apply to that, and their versions are checked', async () => {
    const { id } = productAt(0)
    const update = `update products set stock = 50, version = version + 1 where id = ${id}`
    await using other = await holdLocks(url, update)
    const withVersion = (version: number) =>
      products.update(id, (stored) =>
        reviseProduct(requireExisting(id, stored, [{ version }]), { stock: 99 }),
      )
    const waiting = Promise.allSettled([withVersion(1), add({ id }), withVersion(3)])
    await untilBlocked(other)
    await other.commit()
    const [stale, added50, next] = await waiting
    assert.equal(stale.status === 'rejected' && stale.reason.code, 'stale_version')
    assert.deepEqual(added50.status === 'fulfilled' && [added50.value.stock, added50.value.version], [51, 3])
    assert.deepEqual(next.status === 'fulfilled' && [next.value.stock, next.value.version], [99, 4])
  })

  it('has been removed by the other session: its changes are refused, and it is not created again', async () => {
    const { id } = productAt(0)
    await using other = await holdLocks(url, `delete from products where id = ${id}`)
    const waiting = Promise.allSettled([add({ id }), deleteProduct(products, id)])
    await untilBlocked(other)
    await other.commit()
    for (const outcome of await waiting)
      assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'not_found')
    assert.equal(await reader.find(id), undefined)
  })

  it('has a queue of its own, which refuses more than it holds; what is refused is never written', async () => {
    const hot = productAt(0)
    await using locks = await lock(hot)
    const accepted = [add(hot)]
    await untilBlocked(locks)
    accepted.push(...timesOf(400).map(() => add(hot)))
    const refused = await Promise.allSettled(timesOf(10).map(() => add(hot)))
    for (const outcome of refused) {
      assert.ok(outcome.status === 'rejected')
      assert.match(outcome.reason.message, /^too many writes of this product/)
    }
    await assert.rejects(add(hot), hasCode('unavailable'))
    // One connection waits for the lock: the others serve everybody else.
    await Promise.all([
      add(productAt(1)),
      products.add(creationOf()),
      reader.find(hot.id),
      reader.list({ sort: byId, limit: 10 }),
    ])
    assert.equal((await locks.blockedStatements()).length, 1)
    await locks.release()
    // On a busy machine, the last ones may have waited too long. Then they were not written.
    const outcomes = await Promise.allSettled(accepted)
    const written = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    assert.ok(written.length >= 20, `${written.length} were written`)
    assert.deepEqual(
      written.map(({ stock, version }) => [stock, version]),
      timesOf(written.length).map((n) => [n + 1, n + 2]),
    )
    const stored = await reader.find(hot.id)
    assert.deepEqual([stored?.stock, stored?.version], [written.length, 1 + written.length])
  })

  it('is one of many: their changes use three connections, the others go on', async () => {
    await using locks = await holdLocks(url, 'select from products where id <= 15 for update')
    const locked = added.filter(({ id }) => id <= 15)
    const free = added.filter(({ id }) => id > 15)
    const waiting = Promise.allSettled(locked.map(add))
    await eventually(5_000, async () => assert.equal((await locks.blockedStatements()).length, 3))
    for (const round of timesOf(2)) {
      await Promise.all([
        ...free.map(add),
        reader.find(round + 1),
        reader.list({ sort: byId, limit: 5 }),
        products.add(creationOf()),
      ])
      assert.equal((await locks.blockedStatements()).length, 3)
    }
    await locks.release()
    // On a busy machine, some may have waited too long. Then they were not written.
    const outcomes = await waiting
    const stored = await reader.findMany(locked.map(({ id }) => id))
    for (const [index, outcome] of outcomes.entries())
      assert.equal(stored[index]?.version, outcome.status === 'fulfilled' ? 2 : 1)
    assert.ok(outcomes.some(({ status }) => status === 'fulfilled'))
  })

  it('is refused after the timeout of a statement, with all that waited for it, and is then as before', async () => {
    const hot = productAt(0)
    await using locks = await lock(hot)
    const waiting = Promise.allSettled(timesOf(5).map(() => add(hot)))
    for (const outcome of await waiting)
      assert.ok(outcome.status === 'rejected' && hasCode('unavailable')(outcome.reason))
    await locks.release()
    await delay(100)
    assert.deepEqual(await reader.find(hot.id), hot)
    assert.equal((await add(hot)).version, 2)
  })
})
