import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { mutableProxyOn } from '@shop/testing/services/tcp.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import type { Product } from '../../../src/domain/product.ts'
import type { PublishedProductEvent } from '../../../src/domain/product-events.ts'
import type { ProductRepository } from '../../../src/domain/product-repository.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import type { Database } from '../../../src/infrastructure/products-table.ts'
import { holdLocks } from '../../support/locks.ts'
import { execute, trigger } from '../../support/schema.ts'
import { recordStatements } from '../../support/statements.ts'
import { changeProduct, creationOf, deleteProduct, openServerDatabase } from '../../support/store.ts'

const timesOf = (count: number) => Array.from({ length: count }, (_, n) => n)

/** Asserts that each call was refused with `unavailable`, because of an error with this SQLSTATE or message. */
const assertUnavailable = (outcomes: readonly PromiseSettledResult<unknown>[], cause: RegExp) => {
  for (const outcome of outcomes) {
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof AppError)
    assert.equal(outcome.reason.code, 'unavailable')
    const error = outcome.reason.cause as Error & { code?: string }
    assert.match(`${error.code} ${error.message}`, cause)
  }
}

describe('writes of one moment that fail together', { skip: withoutPostgres }, () => {
  let stack: AsyncDisposableStack
  let url: string
  let database: Database
  let products: ProductRepository
  let published: PublishedProductEvent[]
  let matching: (pattern: RegExp) => string[]
  /** Opens the repository that the test uses. */
  const use = (ownUrl: string) => {
    const recorded = recordStatements(stack.use(openServerDatabase(ownUrl)).database)
    ;({ matching } = recorded)
    products = openRepository(recorded.database, (events) => {
      published.push(...events)
    })
  }
  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    published = []
    ;({ url } = stack.use(await ownSchema()))
    ;({ database } = stack.use(openServerDatabase(url)))
    await migrations.apply(database)
    use(url)
  })
  afterEach(() => stack.disposeAsync())

  const add = (name: string) => products.add(creationOf({ name, stock: 20 }))
  const addMany = async (count: number) => {
    const added = await Promise.all(timesOf(count).map((n) => add(`p${n}`)))
    published.length = 0
    return added
  }
  const increment = ({ id }: Product) =>
    changeProduct(products, id, (product) => ({ ...product, stock: product.stock + 1 }))
  /** Name, stock and version of the stored products, by id. */
  const rows = async () =>
    (await database.selectFrom('products').select(['name', 'stock', 'version']).orderBy('id').execute()).map(
      ({ name, stock, version }) => `${name} ${stock} ${version}`,
    )

  /** Ten new products, three changes of each of four products, and two removals: 24 writes. */
  const writeAll = (stored: readonly Product[]) => {
    const [changed, removed] = [stored.slice(0, 4), stored.slice(4, 6)]
    return Promise.allSettled([
      ...timesOf(10).map((n) => add(`new${n}`)),
      ...changed.flatMap((product) => [increment(product), increment(product), increment(product)]),
      ...removed.map(({ id }) => deleteProduct(products, id)),
    ])
  }
  const before = timesOf(6).map((n) => `p${n} 20 1`)
  const after = [...timesOf(4).map((n) => `p${n} 23 4`), ...timesOf(10).map((n) => `new${n} 20 1`)]

  it('because their connections are lost while they run are unavailable, and none has taken effect', async () => {
    const stored = await addMany(6)
    await using locks = await holdLocks(url, 'lock table products in exclusive mode')
    const writes = writeAll(stored)
    await eventually(5_000, async () => assert.equal((await locks.blockedStatements()).length, 3))
    await locks.terminateBlocked()
    const outcomes = await writes
    assertUnavailable(outcomes, /57P01|terminated/)
    assert.equal(outcomes.length, 24)
    await locks.release()
    assert.deepEqual(await rows(), before)
    assert.deepEqual(published, [])
    // One statement for new products before, and none was repeated.
    assert.deepEqual(
      [/insert/, /update products/, /delete products/].map((pattern) => matching(pattern).length),
      [2, 1, 1],
    )
    assert.deepEqual([...new Set((await writeAll(stored)).map(({ status }) => status))], ['fulfilled'])
    assert.deepEqual(await rows(), after)
  })

  it('because their connections are lost after the commit are unavailable, and none is repeated', async () => {
    const stored = await addMany(6)
    const port = await freePort()
    const target = new URL(url)
    await using proxy = mutableProxyOn(port, { host: target.hostname, port: Number(target.port || 5_432) })
    await proxy.start()
    use(Object.assign(new URL(url), { port: String(port) }).href)
    // What the writes do before they write passes the proxy.
    await Promise.all([add('sequence'), add('known')])
    await database.deleteFrom('products').where('name', 'in', ['sequence', 'known']).execute()
    await using locks = await holdLocks(url, 'lock table products in exclusive mode')
    const writes = writeAll(stored)
    await eventually(5_000, async () => assert.equal((await locks.blockedStatements()).length, 3))
    proxy.mute()
    await locks.release()
    await eventually(3_000, async () => assert.deepEqual(await rows(), after))
    published.length = 0
    await proxy.stop()
    assertUnavailable(await writes, /terminated|ECONN|timeout/)
    assert.deepEqual(published, [])
    assert.deepEqual(await rows(), after)
    await proxy.start()
    const product = stored[0] ?? assert.fail()
    assert.equal((await increment(product)).version, 5)
    assert.deepEqual((await rows()).slice(1), after.slice(1))
  })

  it('because one connection is lost while a batch is taken apart: each part is reported as it went', async () => {
    await execute(
      database,
      `alter table products add check (name <> 'bad'); ${trigger('insert', "if new.name = 'slow' then perform pg_advisory_xact_lock(hashtext(current_schema));end if;return new")}`,
    )
    await using locks = await holdLocks(url, 'select pg_advisory_xact_lock(hashtext(current_schema))')
    const names = ['bad', 'a', 'b', 'c', 'slow', 'd', 'e', 'f']
    const writes = Promise.allSettled(names.map(add))
    await eventually(5_000, async () => assert.equal((await locks.blockedStatements()).length, 1))
    await locks.terminateBlocked()
    const outcomes = await writes
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled', 'fulfilled', ...timesOf(4).map(() => 'rejected')],
    )
    // It is refused alone, or the pool has not noticed yet that the connection is lost.
    assertUnavailable(outcomes.slice(0, 1), /23514|terminated/)
    assertUnavailable(outcomes.slice(4), /57P01|terminated/)
    assert.deepEqual((await rows()).toSorted(), ['a 20 1', 'b 20 1', 'c 20 1'])
    assert.equal(published.length, 3)
  })

  it('because the server is away are all unavailable', async () => {
    const stored = await addMany(6)
    use(Object.assign(new URL(url), { port: String(await freePort()) }).href)
    assertUnavailable(await writeAll(stored), /ECONNREFUSED/)
    assert.deepEqual(await rows(), before)
  })

  it('because their statements take too long are all unavailable, and are not written later', async () => {
    const stored = await addMany(6)
    use(`${url}&statement_timeout=300`)
    await using locks = await holdLocks(url, 'lock table products in exclusive mode')
    const outcomes = await writeAll(stored)
    assertUnavailable(outcomes, /57014/)
    // They are not taken apart: that would take the same time again.
    assert.deepEqual(
      [/insert/, /update products/, /delete products/].map((pattern) => matching(pattern).length),
      [1, 1, 1],
    )
    await locks.release()
    assert.equal((await writeAll(stored)).filter(({ status }) => status === 'fulfilled').length, 24)
    assert.deepEqual(await rows(), after)
  })

  /** Makes this many statements of each kind fail. */
  const failStatements = async (code: string, failures: number) => {
    const body = (operation: string) =>
      `create sequence tries_${operation}; create function fail_${operation}() returns trigger language plpgsql as $$ begin if nextval('tries_${operation}') <= ${failures} then raise 'try again' using errcode = '${code}';end if;return null;end $$; create trigger fail_${operation} before ${operation} on products for each statement execute function fail_${operation}()`
    for (const operation of ['insert', 'update', 'delete']) await execute(database, body(operation))
  }

  for (const [failures, isWritten] of [
    [2, true],
    [3, false],
  ] as const)
    it(`because of a conflict, ${failures} times, are ${isWritten ? 'repeated and written once' : 'unavailable'}`, async () => {
      const stored = await addMany(6)
      await failStatements('40001', failures)
      const outcomes = await writeAll(stored)
      if (isWritten) assert.deepEqual([...new Set(outcomes.map(({ status }) => status))], ['fulfilled'])
      else assertUnavailable(outcomes, /40001/)
      assert.deepEqual(await rows(), isWritten ? after : before)
      assert.equal(published.length, isWritten ? 24 : 0)
      assert.deepEqual(
        [/insert products/, /update products/, /delete products/].map((pattern) => matching(pattern).length),
        [4, 3, 3],
      )
    })

  for (const failures of [1, 2, 3])
    it(`because of a deadlock, ${failures} times, are repeated alone and written once`, async () => {
      const stored = await addMany(6)
      await failStatements('40P01', failures)
      const outcomes = await writeAll(stored)
      assert.deepEqual([...new Set(outcomes.map(({ status }) => status))], ['fulfilled'])
      assert.deepEqual((await rows()).toSorted(), after.toSorted())
      assert.equal(published.length, 24)
      // That of `addMany`, and one that has failed.
      assert.equal(matching(/insert products/).length, 2)
    })
})
