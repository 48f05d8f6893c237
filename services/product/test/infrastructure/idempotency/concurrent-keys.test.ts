import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '@shop/kernel/errors.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Product, removeProduct, requireExisting, reviseProduct } from '../../../src/domain/product.ts'
import { byId } from '../../../src/domain/product-reader.ts'
import type { ProductRepository, WriteCaller } from '../../../src/domain/product-repository.ts'
import { batchedProductReader } from '../../../src/infrastructure/batched-product-reader.ts'
import { writeKeyOf } from '../../../src/infrastructure/idempotency/write-key.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openReader, openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import { callerWith } from '../../support/keys.ts'
import { holdLocks } from '../../support/locks.ts'
import { changeProduct, creationOf, openServerDatabase } from '../../support/store.ts'

const timesOf = (count: number) => Array.from({ length: count }, (_, n) => n)
const setStock = (products: ProductRepository, id: number, stock: number, caller: WriteCaller) =>
  products.update(id, (stored) => reviseProduct(requireExisting(id, stored, 'anything'), { stock }), caller)
const remove = (products: ProductRepository, id: number, caller: WriteCaller) =>
  products.update(
    id,
    (stored) => {
      requireExisting(id, stored, 'anything')
      return removeProduct()
    },
    caller,
  )

describe('writes with the same idempotency key in two processes', { skip: withoutPostgres }, () => {
  let stack: AsyncDisposableStack
  let url: string
  let processes: readonly ProductRepository[]
  let first: ProductRepository
  let reader: ReturnType<typeof batchedProductReader>
  let published: number
  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    ;({ url } = stack.use(await ownSchema()))
    published = 0
    const databases = timesOf(2).map(() => stack.use(openServerDatabase(url)).database)
    const [database = assert.fail()] = databases
    await migrations.apply(database)
    processes = databases.map((own) =>
      openRepository(own, (events) => {
        published += events.length
      }),
    )
    first = processes[0] ?? assert.fail()
    reader = batchedProductReader(openReader(database))
  })
  afterEach(() => stack.disposeAsync())

  const count = async () => (await query('select from products', url)).length
  /** Performs the same write ten times in each process. Resolves with the results and how many were repetitions. */
  const inBoth = async <Result>(
    write: (products: ProductRepository, caller: WriteCaller) => Promise<Result>,
  ) => {
    const callers = processes.flatMap((products) => timesOf(10).map(() => ({ products, ...callerOf() })))
    const results = await Promise.all(callers.map(({ products, caller }) => write(products, caller)))
    return { results, replays: callers.reduce((sum, { caller }) => sum + caller.replays, 0) }
  }
  const callerOf = () => ({ caller: callerWith('a') })
  /** What another process has written with this key, in a transaction that has not ended. */
  const beginWith = (key: string, { id, name, version }: Product, fingerprint = 'request') => {
    const { principal, idempotency } = callerWith(key, { fingerprint })
    return holdLocks(
      url,
      `insert into idempotency_keys select '${writeKeyOf(principal, idempotency).key}', '${fingerprint}', id, version,
        jsonb_build_object('name', '${name}', 'description', description, 'price', price::text, 'stock', stock, 'category', category, 'groupId', group_id),
        created_at, updated_at from products where id = ${id} and version = ${version}`,
    )
  }
  type Locks = Awaited<ReturnType<typeof beginWith>>
  const untilBlocked = ({ blockedStatements }: Locks, statements = 1) =>
    eventually(5_000, async () => assert.equal((await blockedStatements()).length, statements))

  it('create one product', async () => {
    const { results, replays } = await inBoth((products, caller) => products.add(creationOf(), caller))
    for (const product of results) assert.deepEqual(product, results[0])
    assert.deepEqual([await count(), replays, published], [1, 19, 1])
  })

  it('create one product, also if another unique key is taken before theirs', async () => {
    await query('create unique index on products (name)', url)
    await using locks = await holdLocks(url, 'lock table products in share mode')
    const creating = inBoth((products, caller) => products.add(creationOf(), caller))
    await untilBlocked(locks, 2)
    await locks.release()
    const { results, replays } = await creating
    for (const product of results) assert.deepEqual(product, results[0])
    assert.deepEqual([await count(), replays, published], [1, 19, 1])
    // Not that the key is in use.
    const refused = { code: 'unavailable', message: 'the product database is unavailable' }
    await assert.rejects(first.add(creationOf(), callerWith('b')), refused)
  })

  it('update once', async () => {
    const { id } = await first.add(creationOf())
    const { results, replays } = await inBoth((products, caller) => setStock(products, id, 70, caller))
    for (const product of results) assert.deepEqual(product, results[0])
    assert.deepEqual(await reader.find(id), results[0])
    assert.deepEqual([results[0]?.version, replays, published], [2, 19, 2])
  })

  it('remove once', async () => {
    const { id } = await first.add(creationOf())
    const { replays } = await inBoth((products, caller) => remove(products, id, caller))
    assert.deepEqual([await count(), replays, published], [0, 19, 2])
  })

  it('wait for the one that is in progress, and repeat it after its commit', async () => {
    const product = await first.add(creationOf())
    await using locks = await beginWith('a', product)
    const [creating, updating] = [callerWith('a'), callerWith('a')]
    const waiting = Promise.all([
      first.add(creationOf(), creating),
      setStock(first, product.id, 70, updating),
    ])
    await untilBlocked(locks)
    await locks.commit()
    assert.deepEqual(await waiting, [product, product])
    assert.deepEqual([creating.replays, updating.replays], [1, 1])
    assert.deepEqual([await count(), (await reader.find(product.id))?.version], [1, 1])
  })

  for (const [fingerprint, outcome] of [
    ['request', 'repeat it'],
    ['another', 'are refused'],
  ] as const)
    it(`as changes, wait for one of another product that is in progress, and ${outcome} after its commit`, async () => {
      const [product, other] = [await first.add(creationOf()), await first.add(creationOf())]
      await using locks = await beginWith('a', product, fingerprint)
      const caller = callerWith('a')
      const waiting = setStock(first, other.id, 70, caller).catch(codeOf)
      await untilBlocked(locks)
      await locks.commit()
      const isReplay = fingerprint === 'request'
      assert.deepEqual(await waiting, isReplay ? product : 'idempotency_key_reused')
      assert.equal(caller.replays, isReplay ? 1 : 0)
      assert.equal((await reader.find(other.id))?.version, 1)
    })

  it('take its place if it rolls back', async () => {
    const product = await first.add(creationOf())
    await using locks = await beginWith('a', product)
    const caller = callerWith('a')
    const waiting = setStock(first, product.id, 70, caller)
    await untilBlocked(locks)
    await locks.release()
    assert.deepEqual([(await waiting).stock, caller.replays], [70, 0])
  })

  it('are refused if it was another request, after its commit', async () => {
    const product = await first.add(creationOf())
    await using locks = await beginWith('a', product, 'another')
    const waiting = Promise.allSettled([
      first.add(creationOf(), callerWith('a')),
      remove(first, product.id, callerWith('a')),
    ])
    await untilBlocked(locks)
    await locks.commit()
    for (const outcome of await waiting)
      assert.equal(outcome.status === 'rejected' && codeOf(outcome.reason), 'idempotency_key_reused')
    assert.equal(await count(), 1)
  })

  it('are refused as unavailable if it does not end in time, and write nothing', async () => {
    const product = await first.add(creationOf())
    await using _ = await beginWith('a', product)
    await assert.rejects(first.add(creationOf(), callerWith('a')), { code: 'unavailable' })
    assert.equal(await count(), 1)
  })

  it('do not delay the writes of others while they wait, whose keys are others, or the reads', async () => {
    const [product, other] = [await first.add(creationOf()), await first.add(creationOf())]
    await using locks = await beginWith('a', product)
    const waiting = Promise.allSettled(
      timesOf(500).map((n) =>
        requestContext.run({ requestId: `${n}`, client: `${n % 5}` }, () =>
          first.add(creationOf(), callerWith('a')),
        ),
      ),
    )
    await untilBlocked(locks)
    // In less than the 3 s after which the statement that waits is cancelled, also on a busy machine.
    for (const n of timesOf(5)) {
      const caller = callerWith(`b${n}`)
      await Promise.all([first.add(creationOf(), caller), setStock(first, other.id, n, callerWith(`c${n}`))])
      await changeProduct(first, product.id, (stored) => ({ ...stored, stock: n }))
      assert.ok((await reader.list({ sort: byId, limit: 100 })).products.length > 0)
      assert.equal((await locks.blockedStatements()).length, 1)
    }
    await locks.commit()
    for (const outcome of await waiting)
      assert.deepEqual(outcome.status === 'fulfilled' && outcome.value, product)
    assert.equal(await count(), 7)
  })

  it('of one product wait for each other without a connection, and not in front of other writes', async () => {
    const [product, other] = [await first.add(creationOf()), await first.add(creationOf())]
    await using locks = await holdLocks(url, `select from products where id = ${product.id} for update`)
    const waiting = timesOf(10).map((n) => setStock(first, product.id, n, callerWith(`a${n}`)))
    await untilBlocked(locks)
    await first.add(creationOf(), callerWith('b'))
    await setStock(first, other.id, 7, callerWith('c'))
    assert.equal((await locks.blockedStatements()).length, 1)
    await locks.release()
    await Promise.all(waiting)
    assert.equal((await reader.find(product.id))?.version, 11)
  })

  it('remove a product only after a transaction that refers to it, which may still change it', async () => {
    const { id } = await first.add(creationOf())
    await query('create table lines (product_id int references products)', url)
    await using locks = await holdLocks(url, `insert into lines values (${id})`)
    const removal = remove(first, id, callerWith('a')).catch(codeOf)
    await untilBlocked(locks)
    // It would deadlock if the removal had a lock of the product.
    await locks.execute("set local lock_timeout = '300ms'")
    await locks.execute(`update products set stock = 3 where id = ${id}`)
    await locks.commit()
    assert.equal(await removal, 'product_referenced')
  })

  it('do not delay the writes of other products while some are locked', async () => {
    const products = await Promise.all(timesOf(3).map(() => first.add(creationOf())))
    const other = await first.add(creationOf())
    const ids = products.map(({ id }) => id)
    await using locks = await holdLocks(url, `select from products where id in (${ids.join()}) for update`)
    const waiting = ids.map((id) => setStock(first, id, 70, callerWith(`locked ${id}`)))
    await untilBlocked(locks, 3)
    for (const n of timesOf(20)) {
      await Promise.all([
        first.add(creationOf(), callerWith(`a${n}`)),
        setStock(first, other.id, n, callerWith(`b${n}`)),
        assert.rejects(setStock(first, 404_404, n, callerWith(`c${n}`)), { code: 'not_found' }),
      ])
      assert.equal((await locks.blockedStatements()).length, 3)
    }
    await locks.release()
    for (const product of await Promise.all(waiting))
      assert.deepEqual([product.stock, product.version], [70, 2])
  })

  it('are repeated at once while their product is locked', async () => {
    const { id } = await first.add(creationOf())
    const product = await setStock(first, id, 70, callerWith('a'))
    await using _ = await holdLocks(url, `select from products where id = ${id} for update`)
    const caller = callerWith('a')
    assert.deepEqual([await setStock(first, id, 70, caller), caller.replays], [product, 1])
  })

  it('take at most two connections for different keys', async () => {
    const product = await first.add(creationOf())
    await using locks = await holdLocks(url, 'lock table idempotency_keys in exclusive mode')
    const waiting = Promise.allSettled([
      ...timesOf(30).map((n) => first.add(creationOf(), callerWith(`a${n}`))),
      ...timesOf(30).map((n) => setStock(first, product.id, n, callerWith(`b${n}`))),
    ])
    await untilBlocked(locks, 2)
    await delay(100)
    assert.equal((await locks.blockedStatements()).length, 2)
    assert.equal((await reader.find(product.id))?.version, 1)
    await changeProduct(first, (await first.add(creationOf())).id, (stored) => stored)
    await locks.release()
    for (const outcome of await waiting) assert.equal(outcome.status, 'fulfilled')
    assert.equal((await reader.find(product.id))?.version, 31)
  })
})
