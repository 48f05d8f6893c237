import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '@shop/kernel/errors.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'
import type { Product } from '../../../src/domain/product.ts'
import type { ProductRepository, WriteCaller } from '../../../src/domain/product-repository.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import { callerWith } from '../../support/keys.ts'
import { changeProduct, creationOf, deleteProduct, openServerDatabase } from '../../support/store.ts'

const timesOf = (count: number) => Array.from({ length: count }, (_, n) => n)
const durationMs = 15_000

/** Opens the repositories of two processes on one migrated database. */
const openProcesses = async (url: string, stack: AsyncDisposableStack) => {
  const { database } = stack.use(openServerDatabase(url))
  await migrations.apply(database)
  const state = { published: 0 }
  const opened = timesOf(2).map(() =>
    openRepository(stack.use(openServerDatabase(url)).database, (events) => {
      state.published += events.length
    }),
  )
  return { opened, state }
}

const increment = (products: ProductRepository, id: number, caller?: WriteCaller) =>
  products.update(
    id,
    (stored) => {
      if (stored === undefined) throw new Error('the product is gone')
      return { product: { ...stored, stock: stored.stock + 1 }, events: [] }
    },
    caller,
  ) as Promise<Product>

type Tally = { done: number; retries: number; replays: number }

/** Repeats the write with its key, in both processes in turn, until it is acknowledged. Some responses are lost. */
const untilDone = async <Result>(
  processes: readonly ProductRepository[],
  key: string,
  tally: Tally,
  write: (products: ProductRepository, caller: WriteCaller) => Promise<Result>,
): Promise<Result> => {
  const caller = callerWith(key)
  /** The response that the caller did not get. */
  let lost: Readonly<{ result: Result }> | undefined
  for (let attempt = 0; ; attempt += 1)
    try {
      const products = processes[attempt % processes.length] ?? assert.fail()
      const result = await write(products, caller)
      if (lost === undefined && tally.done % 5 === 0) {
        lost = { result }
        tally.done += 1
        continue
      }
      if (lost !== undefined) {
        assert.deepEqual(result, lost.result)
        assert.ok(caller.replays > 0)
      }
      tally.done += 1
      tally.replays += caller.replays
      return result
    } catch (error) {
      assert.equal(codeOf(error), 'unavailable', String(error))
      tally.retries += 1
      await delay(20)
    }
}

/** Writers that increment the stock of the same products and create others, each write with a key of its own. */
const storm = async (
  processes: readonly ProductRepository[],
  ids: readonly number[],
  untilMs: number,
  writers = 32,
) => {
  const tally: Tally = { done: 0, retries: 0, replays: 0 }
  const increments = new Map(ids.map((id) => [id, 0]))
  let created = 0
  const writeUntilEnd = async (writer: number) => {
    const own = writer % 2 === 0 ? processes : processes.toReversed()
    for (let round = 0; performance.now() < untilMs; round += 1) {
      const key = `${writer}-${round}`
      const id = ids[(writer + round) % ids.length] ?? assert.fail()
      if (round % 5 === 0) {
        const product = await untilDone(own, key, tally, (products, caller) =>
          products.add(creationOf({ name: key }), caller),
        )
        created += 1
        assert.equal(product.name, key)
        if (round % 10 !== 0) continue
        await untilDone(own, `${key} removed`, tally, (products, caller) =>
          products.update(
            product.id,
            (stored) => {
              // The first attempt may have taken effect, and then it is not asked again.
              assert.ok(stored)
              return { product: undefined, events: [] }
            },
            caller,
          ),
        )
        created -= 1
      } else {
        await untilDone(own, key, tally, (products, caller) => increment(products, id, caller))
        increments.set(id, (increments.get(id) ?? 0) + 1)
      }
    }
  }
  await Promise.all(timesOf(writers).map(writeUntilEnd))
  return { tally, increments, created: () => created }
}

const assertExactlyOnce = async (
  url: string,
  { increments, created }: Awaited<ReturnType<typeof storm>>,
  unkeyed: ReadonlyMap<number, number> = new Map(),
) => {
  const stored = await query<{ id: number; stock: number; version: number }>(
    `select id, stock, version from products where id in (${[...increments.keys()].join()})`,
    url,
  )
  for (const { id, stock, version } of stored) {
    assert.equal(stock, (increments.get(id) ?? 0) + (unkeyed.get(id) ?? 0), `product ${id}`)
    assert.equal(version, stock + 1)
  }
  const [row] = await query<{ count: string }>(
    `select count(*) from products where name ~ '^[0-9]+-[0-9]+$'`,
    url,
  )
  assert.equal(Number(row?.count), created())
}

describe('a storm of writes with idempotency keys', { skip: withoutPostgres }, () => {
  it('has each effect once, although connections are killed all the time', async (t) => {
    await using own = await ownDatabase()
    await using stack = new AsyncDisposableStack()
    const { opened } = await openProcesses(own.url, stack)
    const [first = assert.fail()] = opened
    const ids = (await Promise.all(timesOf(4).map(() => first.add(creationOf({ stock: 0 }))))).map(
      ({ id }) => id,
    )
    const end = performance.now() + durationMs
    const killUntilEnd = async () => {
      while (performance.now() < end) {
        await delay(60)
        await query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${own.name}' and pid <> pg_backend_pid() order by random() limit 2`,
        )
      }
    }
    const [done] = await Promise.all([storm(opened, ids, end), killUntilEnd()])
    await assertExactlyOnce(own.url, done)
    t.diagnostic(JSON.stringify(done.tally))
    assert.ok(
      done.tally.done > 500 && done.tally.retries > 20 && done.tally.replays > 0,
      JSON.stringify(done.tally),
    )
  })

  it('does not deadlock with writes without a key, of the same products', async (t) => {
    await using own = await ownDatabase()
    await using stack = new AsyncDisposableStack()
    const { opened, state } = await openProcesses(own.url, stack)
    const [first = assert.fail()] = opened
    const ids = (await Promise.all(timesOf(6).map(() => first.add(creationOf({ stock: 0 }))))).map(
      ({ id }) => id,
    )
    state.published = 0
    const end = performance.now() + durationMs
    const unkeyed = new Map(ids.map((id) => [id, 0]))
    const writeUnkeyed = async (writer: number) => {
      const products = opened[writer % 2] ?? assert.fail()
      for (let round = 0; performance.now() < end; round += 1) {
        const id = ids[(writer + 5 * round) % ids.length] ?? assert.fail()
        await changeProduct(products, id, (product) => ({ ...product, stock: product.stock + 1 }))
        unkeyed.set(id, (unkeyed.get(id) ?? 0) + 1)
        if (round % 9 !== 0) continue
        const { id: extra } = await products.add(creationOf({ name: 'extra' }))
        await deleteProduct(products, extra)
      }
    }
    const shares: Tally = { done: 0, retries: 0, replays: 0 }
    // The same keys in both processes at once, too.
    const shared = async (writer: number) => {
      for (let round = 0; performance.now() < end; round += 1) {
        const id = ids[round % ids.length] ?? assert.fail()
        const outcomes = await Promise.all(
          opened.map((products) =>
            untilDone([products], `shared ${writer} ${round}`, shares, (one, caller) =>
              increment(one, id, caller),
            ),
          ),
        )
        assert.deepEqual(outcomes[0], outcomes[1])
        unkeyed.set(id, (unkeyed.get(id) ?? 0) + 1)
      }
    }
    const [done] = await Promise.all([
      storm(opened, ids, end, 12),
      ...timesOf(16).map(writeUnkeyed),
      ...timesOf(4).map(shared),
    ])
    await assertExactlyOnce(own.url, done, unkeyed)
    t.diagnostic(JSON.stringify(done.tally))
    await stack.disposeAsync()
    const [row] = await query<{ deadlocks: string }>(
      `select deadlocks from pg_stat_database where datname = '${own.name}'`,
    )
    assert.equal(Number(row?.deadlocks), 0)
  })
})

describe('writes with idempotency keys while the database crashes', { skip: withoutPostgresPrograms }, () => {
  it('have each effect once', async (t) => {
    await using server: PostgresServer = await startPostgresServer()
    await using stack = new AsyncDisposableStack()
    const { opened } = await openProcesses(server.url, stack)
    const [first = assert.fail()] = opened
    const ids = (await Promise.all(timesOf(4).map(() => first.add(creationOf({ stock: 0 }))))).map(
      ({ id }) => id,
    )
    const end = performance.now() + durationMs
    const crashUntilEnd = async () => {
      while (performance.now() < end - 4_000) {
        await delay(1_500)
        await server.stop()
        await delay(200)
        await server.start()
      }
    }
    const [done] = await Promise.all([storm(opened, ids, end), crashUntilEnd()])
    await assertExactlyOnce(server.url, done)
    t.diagnostic(JSON.stringify(done.tally))
    assert.ok(done.tally.retries > 0 && done.tally.done > 100, JSON.stringify(done.tally))
  })
})
