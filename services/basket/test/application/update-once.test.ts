import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemContext } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { pipeline } from '@shop/platform/pipeline.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { useCases } from '../../src/application/use-cases.ts'
import { pieceCount } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import { insufficientStock } from '../../src/domain/errors.ts'
import { aProduct, longTtl, type Store, stores } from '../support/baskets.ts'
import { keyedContext } from '../support/keys.ts'
import { catalogOf } from '../support/ports.ts'

const unkeyed = systemContext('test')
const start = Date.now()

/** The use cases of a process on the store, with a clock and a catalog that the test sets. */
const openProcess = async (store: Store) => {
  const time = { now: start }
  const clock = () => new Date(time.now)
  const catalog = { calls: 0, isDown: false, stock: 75 }
  const baskets = await store.connect(2 * longTtl, clock)
  const calls: { finds: number; beforeUpdate?: () => Promise<unknown> } = { finds: 0 }
  const ports = {
    baskets: {
      find: async (userId: string) => {
        calls.finds += 1
        return baskets.find(userId)
      },
      mayRemember: async (...args: Parameters<BasketRepository['mayRemember']>) => {
        calls.finds += 1
        return baskets.mayRemember(...args)
      },
      update: async (...args: Parameters<BasketRepository['update']>) => {
        const { beforeUpdate } = calls
        delete calls.beforeUpdate
        await beforeUpdate?.()
        return baskets.update(...args)
      },
    } as BasketRepository,
    catalog: catalogOf(async (id) => {
      catalog.calls += 1
      if (catalog.isDown) throw new AppError('unavailable', 'the catalog is down')
      return aProduct({ id, stock: catalog.stock })
    }),
    statistics: { read: () => Promise.reject(new Error('not used')) },
    events: { publish: () => {}, subscribe: () => {} },
    clock,
    newId: () => crypto.randomUUID(),
    newSecret: () => crypto.randomUUID(),
  }
  const { commands, queries } = useCases(ports)
  const reset = () => {
    time.now = start
    Object.assign(catalog, { calls: 0, isDown: false, stock: 75 })
  }
  return { use: pipeline({ ...commands, ...queries }, []), time, catalog, calls, reset }
}

type Process = Awaited<ReturnType<typeof openProcess>>

let users = 0

for (const { technology, open, skip } of stores)
  describe(`a write with an idempotency key in ${technology}`, { skip }, () => {
    let store: Store
    let one: Process
    let other: Process
    before(async () => {
      store = await open()
      one = await openProcess(store)
      other = await openProcess(store)
    })
    after(() => store[Symbol.asyncDispose]())

    /** The basket of a new user for both processes. */
    const newUser = () => {
      const userId = `keyed-${++users}`
      for (const { reset } of [one, other]) reset()
      const add = (quantity = 1, productId = 1) =>
        ({ userId, productId, quantity, expected: 'anything' }) as const
      const pieces = async () => pieceCount(await one.use.getBasket({ userId }, unkeyed))
      return { userId, add, pieces }
    }

    test('takes effect once, and its repetition returns the basket as it is now', async () => {
      const { add, pieces } = newUser()
      const first = await one.use.addItem(add(2), keyedContext('add').context)
      const latest = await one.use.addItem(add(1, 2), unkeyed)
      assert.deepEqual([first.version, latest.version], [1, 2])
      for (const { use } of [one, other]) {
        const { context, replays } = keyedContext('add')
        assert.deepEqual(await use.addItem(add(2), context), latest)
        assert.equal(replays(), 1)
      }
      assert.equal(await pieces(), 3)
    })

    test('takes effect once in two processes at the same time, and all requests succeed', async () => {
      const { add, pieces } = newUser()
      const attempts = Array.from({ length: 20 }, () => keyedContext('add'))
      const outcomes = await Promise.all(
        attempts.map(({ context }, index) => (index % 2 ? one : other).use.addItem(add(3), context)),
      )
      assert.deepEqual(new Set(outcomes.map(({ version }) => version)), new Set([1]))
      assert.equal(attempts.filter(({ replays }) => replays() === 1).length, 19)
      assert.equal(attempts.filter(({ replays }) => replays() === 0).length, 1)
      assert.equal(await pieces(), 3)
    })

    test('is repeated while the catalog is down, and with the state that it has changed', async () => {
      const { userId, add } = newUser()
      const created = await one.use.addItem(add(), unkeyed)
      const expected = [created]
      const first = await one.use.addItem({ ...add(), expected }, keyedContext('add').context)
      const set = { userId, productId: 1, quantity: 5, expected: [first] }
      const second = await one.use.setQuantity(set, keyedContext('set').context)
      other.catalog.isDown = true
      for (const [name, retry] of [
        ['add', (context) => other.use.addItem({ ...add(), expected }, context)],
        ['set', (context) => other.use.setQuantity(set, context)],
      ] as [string, (context: typeof unkeyed) => Promise<unknown>][]) {
        const { context, replays } = keyedContext(name)
        assert.deepEqual(await retry(context), second)
        assert.equal(replays(), 1)
      }
      assert.equal(other.catalog.calls, 0)
      await assert.rejects(other.use.addItem(add(), keyedContext('new').context), hasCode('unavailable'))
    })

    test('is repeated while the catalog is down by a process that has stored the basket before the write', async () => {
      const { userId, add, pieces } = newUser()
      await other.use.addItem(add(1), unkeyed)
      await one.use.addItem(add(2), keyedContext('add').context)
      const set = { userId, productId: 1, quantity: 5, expected: 'anything' } as const
      await one.use.setQuantity(set, keyedContext('set').context)
      other.catalog.isDown = true
      const retriedAdd = keyedContext('add')
      await other.use.addItem(add(2), retriedAdd.context)
      const retriedSet = keyedContext('set')
      await other.use.setQuantity(set, retriedSet.context)
      assert.deepEqual([retriedAdd.replays(), retriedSet.replays()], [1, 1])
      assert.equal(await pieces(), 5)
    })

    test('asks the catalog after all if the basket is deleted before it is found again', async () => {
      const { userId, add, pieces } = newUser()
      await one.use.addItem(add(4), keyedContext('add').context)
      other.calls.beforeUpdate = () => one.use.deleteBasket({ userId, expected: 'anything' }, unkeyed)
      const { context, replays } = keyedContext('add')
      assert.equal((await other.use.addItem(add(4), context)).version, 1)
      assert.deepEqual([replays(), other.catalog.calls, await pieces()], [0, 1, 4])
    })

    test('of a guest is repeated, or asks the catalog after all if the basket forgets it meanwhile', async () => {
      newUser()
      const { userId } = await one.use.createGuestBasket({ expected: 'anything' }, unkeyed)
      const add = { userId, productId: 1, quantity: 4, expected: 'anything' } as const
      const repeat = async () => {
        const { context, replays } = keyedContext('add')
        await other.use.addItem(add, context)
        return replays()
      }
      await one.use.addItem(add, keyedContext('add').context)
      assert.deepEqual([await repeat(), other.catalog.calls], [1, 0])
      other.calls.beforeUpdate = async () => {
        for (let count = 1; count <= 16; count++)
          await one.use.addItem({ ...add, quantity: 1 }, keyedContext(`k${count}`).context)
      }
      assert.deepEqual([await repeat(), other.catalog.calls], [0, 1])
      assert.equal(pieceCount(await one.use.getBasket({ userId }, unkeyed)), 24)
    })

    test('of each command is repeated, whatever has become of the basket', async () => {
      const { userId, add } = newUser()
      const basket = { userId, expected: 'anything' } as const
      const line = { ...basket, productId: 1 }
      const writes: Record<string, (process: Process, context: typeof unkeyed) => Promise<unknown>> = {
        create: async ({ use }, context) => {
          const { created } = await use.createBasket(basket, context)
          assert.ok(created)
        },
        add: ({ use }, context) => use.addItem(add(7), context),
        set: ({ use }, context) => use.setQuantity({ ...line, quantity: 2 }, context),
        addSeveral: ({ use }, context) =>
          use.addItems(
            { ...basket, quantities: [1, 2].map((productId) => ({ productId, quantity: 3 })) },
            context,
          ),
        setSeveral: ({ use }, context) =>
          use.setQuantities(
            {
              ...basket,
              quantities: [
                { productId: 1, quantity: 2 },
                { productId: 2, quantity: 0 },
              ],
            },
            context,
          ),
        noneOfSeveral: ({ use }, context) =>
          use.setQuantities({ ...basket, quantities: [{ productId: 3, quantity: 0 }] }, context),
        zero: ({ use }, context) => use.setQuantity({ ...line, quantity: 0 }, context),
        again: ({ use }, context) => use.addItem(add(7), context),
        remove: ({ use }, context) => use.removeItem(line, context),
        clear: ({ use }, context) => use.clearBasket(basket, context),
      }
      for (const [name, write] of Object.entries(writes)) await write(one, keyedContext(name).context)
      const { version } = await one.use.getBasket({ userId }, unkeyed)
      assert.equal(version, 10)
      for (const [name, write] of Object.entries(writes)) {
        const { context, replays } = keyedContext(name)
        await write(other, context)
        assert.equal(replays(), 1, name)
        const reused = keyedContext(name, 'another request')
        await assert.rejects(write(other, reused.context), hasCode('idempotency_key_reused'))
        assert.equal(reused.replays(), 0)
      }
      assert.equal((await one.use.getBasket({ userId }, unkeyed)).version, 10)
    })

    test('is not remembered if it changes nothing or is refused', async () => {
      const { userId, add, pieces } = newUser()
      const create = { userId, expected: 'anything' } as const
      await one.use.addItem(add(), unkeyed)
      const existing = keyedContext('key')
      assert.equal((await one.use.createBasket(create, existing.context)).created, false)
      one.catalog.stock = 3
      await assert.rejects(one.use.addItem(add(3), keyedContext('key').context), insufficientStock(1, 3, 4))
      one.catalog.stock = 4
      const { context, replays } = keyedContext('key', 'another request')
      await one.use.addItem(add(3), context)
      assert.deepEqual([existing.replays(), replays(), await pieces()], [0, 0, 4])
    })

    test('takes effect again after 16 others, after an hour, and in a new basket', async () => {
      const { userId, add } = newUser()
      const repeat = async ({ use }: Process) => {
        const { context, replays } = keyedContext('first')
        await use.addItem(add(), context)
        return replays() === 1
      }
      assert.equal(await repeat(one), false)
      for (let count = 1; count <= 15; count++)
        await one.use.addItem(add(), keyedContext(`k${count}`).context)
      assert.equal(await repeat(other), true)
      await one.use.addItem(add(), keyedContext('k16').context)
      assert.equal(await repeat(other), false)
      assert.equal(await repeat(one), true)
      other.time.now += 3_599_000
      assert.equal(await repeat(other), true)
      other.time.now += 1_000
      assert.equal(await repeat(other), false)
      await one.use.deleteBasket({ userId, expected: 'anything' }, unkeyed)
      assert.equal(await repeat(one), false)
    })

    test('without a key is not remembered, does not read the basket before, and keeps what is remembered', async () => {
      const { add } = newUser()
      one.calls.finds = 0
      assert.equal((await one.use.addItem(add(), unkeyed)).keyedWrites, undefined)
      assert.equal(one.calls.finds, 0)
      await one.use.addItem(add(), keyedContext('key').context)
      assert.equal((await one.use.addItem(add(), unkeyed)).keyedWrites?.length, 25)
      assert.equal(one.calls.finds, 1)
    })
  })
