import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import type { ProductRepository } from '../../../src/domain/product-repository.ts'
import { poolShares } from '../../../src/infrastructure/limits/pool-shares.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { postgresProductRepository } from '../../../src/infrastructure/postgres-product-repository.ts'
import { execute, trigger } from '../../support/schema.ts'
import { recordStatements } from '../../support/statements.ts'
import { changeProduct, creationOf, openServerDatabase } from '../../support/store.ts'

/** Locks the row of the category, long enough for another statement to lock that of another. */
const countByCategory = `create table counters (category text primary key, n integer not null default 0); \
insert into counters values ('a'), ('b'); ${trigger('insert or update', 'update counters set n = n + 1 where category = new.category;perform pg_sleep(0.3);return new')}`

/** Raises the error of a deadlock once: a sequence keeps its value when a statement fails. */
const deadlockOnce = `create sequence attempts; \
${trigger('update', "if nextval('attempts') = 1 then raise exception 'deadlock' using errcode = '40P01';end if;return new")}`

describe('a trigger of products that uses another table', { skip: withoutPostgres }, () => {
  let stack: AsyncDisposableStack
  let url: string
  let products: ProductRepository
  let opened: ReturnType<typeof openServerDatabase>
  let recorded: ReturnType<typeof recordStatements>
  let warnings: string[]
  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    ;({ url } = stack.use(await ownSchema()))
    opened = stack.use(openServerDatabase(url))
    await migrations.apply(opened.database)
    recorded = recordStatements(opened.database)
    warnings = []
    const warn = (message: string) => void warnings.push(message)
    products = postgresProductRepository(recorded.database, () => {}, poolShares(), warn)
  })
  afterEach(() => stack.disposeAsync())

  /** Begins the writes of both orders, so that each shares a statement with its own. */
  const inBothOrders = async <Result>(write: (category: string, index: number) => Promise<Result>) => {
    const forwards = Promise.allSettled(['a', 'b'].map((category, index) => write(category, index)))
    await delay(100)
    const backwards = Promise.allSettled(['b', 'a'].map((category, index) => write(category, index + 2)))
    return [...(await forwards), ...(await backwards)].map(({ status }) => status)
  }
  const succeeded = Array.from({ length: 4 }, () => 'fulfilled')

  const assertPaused = () => {
    assert.equal(warnings.length, 1)
    assert.match(warnings.join(), /have deadlocked, so products are written one by one/)
  }

  it('and deadlocks shared creates: they are repeated alone, as are those that follow', async () => {
    await execute(opened.database, countByCategory)
    assert.deepEqual(await inBothOrders((category) => products.add(creationOf({ category }))), succeeded)
    assert.equal(recorded.matching(/insert products/).length, 2)
    assertPaused()
    await Promise.all(['a', 'b'].map((category) => products.add(creationOf({ category }))))
    assert.equal(recorded.matching(/insert products/).length, 2)
    assert.deepEqual(await query('select n from counters', url), [{ n: 3 }, { n: 3 }])
  })

  it('and deadlocks shared updates: they are repeated alone, as are those that follow', async () => {
    const added = await Promise.all(Array.from({ length: 4 }, () => products.add(creationOf())))
    await execute(opened.database, countByCategory)
    const move = (category: string, index: number) =>
      changeProduct(products, added[index]?.id ?? 0, (product) => ({ ...product, category }))
    assert.deepEqual(await inBothOrders(move), succeeded)
    assert.equal(recorded.matching(/update products/).length, 2)
    assertPaused()
    await Promise.all(['a', 'b'].map(move))
    assert.equal(recorded.matching(/update products/).length, 2)
    assert.deepEqual(await query('select n from counters', url), [{ n: 3 }, { n: 3 }])
    assert.deepEqual(await query('select version from products order by id', url), [
      { version: 3 },
      { version: 3 },
      { version: 2 },
      { version: 2 },
    ])
  })

  it('and deadlocks a write that shares nothing: it is repeated, and others go on sharing statements', async () => {
    const changed = await products.add(creationOf())
    await execute(opened.database, deadlockOnce)
    const result = await changeProduct(products, changed.id, (product) => ({ ...product, stock: 1 }))
    assert.deepEqual([result.stock, result.version], [1, 2])
    assert.deepEqual(warnings, [])
    await Promise.all([products.add(creationOf()), products.add(creationOf())])
    assert.equal(recorded.matching(/insert products/).length, 1)
  })

  it('without an index is not compiled for each row, which takes the server half a second', async () => {
    await execute(
      opened.database,
      `create table unindexed as select 1 as n; create table plans (line text); ${trigger('insert', `declare line text;begin for line in execute 'explain analyze select * from unindexed where n = 1' loop insert into plans values (line);end loop;end;return new`)}`,
    )
    await products.add(creationOf())
    const lines = (await query<{ line: string }>('select line from plans', url)).map(({ line }) => line)
    assert.match(lines.join('\n'), /Seq Scan on unindexed/)
    assert.doesNotMatch(lines.join('\n'), /JIT/)
  })
})
