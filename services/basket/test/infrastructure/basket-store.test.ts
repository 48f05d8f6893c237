import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, codeOf } from '@shop/kernel/errors.ts'
import * as fc from 'fast-check'
import { type Basket, pieceCount, requireExpected, withMore } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import { aBasket, aProduct, longTtl, type Store, stores } from '../support/baskets.ts'
import { apply, performOn, type Reference, randomOperation } from '../support/reference.ts'

const product = aProduct({ stock: 100_000 })
const addOne = (basket: Basket | undefined): Basket => withMore(basket ?? aBasket(), product, 1)
const isInternal = (error: unknown) => codeOf(error) === 'internal'
const unchanged = <Value>(value: Value): Value => value

let users = 0
const newUser = () => `user-${++users}`

describe('a basket repository', { concurrency: true }, () => {
  for (const { technology, open, skip } of stores)
    describe(`in ${technology}`, { skip, concurrency: 1 }, () => {
      let store: Store
      let baskets: BasketRepository
      before(async () => {
        store = await open()
        baskets = await store.connect()
      })
      after(() => store[Symbol.asyncDispose]())

      test('finds no basket for a new user', async () => {
        assert.equal(await baskets.find(newUser()), undefined)
      })

      test('creates the basket in the first update, and counts the writes in its version', async () => {
        const user = newUser()
        assert.equal((await baskets.update(user, addOne)).version, 1)
        assert.equal((await baskets.update(user, addOne)).version, 2)
        const third = await baskets.update(user, addOne)
        assert.equal(third.version, 3)
        assert.equal(pieceCount(third), 3)
        assert.deepEqual(await baskets.find(user), third)
      })

      test('stores baskets of users with any allowed characters', async () => {
        const userIds = ['auth0|5f7c', '|', 'a|b', 'a:b', 'A@b-c_d.', '...'].map((id) => `${id}${newUser()}`)
        for (const user of userIds) {
          const stored = await baskets.update(user, (current) => current ?? aBasket(user))
          assert.equal(stored.userId, user)
          assert.deepEqual(await baskets.find(user), stored)
        }
      })

      test('calls a change with the basket that another connection has stored', async () => {
        const user = newUser()
        const stored = await (await store.connect()).update(user, addOne)
        await baskets.update(user, (current) => {
          assert.deepEqual(current, stored)
          return current
        })
      })

      test('keeps the baskets of different users separate', async () => {
        const [one, other] = [newUser(), newUser()]
        const stored = await baskets.update(one, addOne)
        await baskets.update(other, addOne)
        await baskets.update(other, () => undefined)
        assert.deepEqual(await baskets.find(one), stored)
      })

      test('sets the expiry time of a basket to the configured time after its last write', async () => {
        const user = newUser()
        const earliest = Date.now()
        const { expiresAt, updatedAt } = await baskets.update(user, addOne)
        assert.ok(updatedAt.getTime() >= earliest && updatedAt.getTime() <= Date.now())
        assert.equal(expiresAt.getTime() - updatedAt.getTime(), longTtl * 1_000)
      })

      test('uses its clock for the time of a write and for expiry', async () => {
        const user = newUser()
        const now = new Date('2026-11-22T09:58:00.123Z')
        const clocked = await store.connect(90, () => now)
        const stored = await clocked.update(user, addOne)
        assert.deepEqual(
          { updatedAt: stored.updatedAt, expiresAt: stored.expiresAt },
          { updatedAt: now, expiresAt: new Date('2026-11-22T09:59:30.123Z') },
        )
        assert.deepEqual(await clocked.find(user), stored)
      })

      test('writes nothing if a change returns its argument', async () => {
        const user = newUser()
        await baskets.update(user, addOne)
        const stored = await store.read(user)
        await delay(2)
        const result = await baskets.update(user, unchanged)
        assert.equal(result?.version, 1)
        assert.equal(await store.read(user), stored)
      })

      test('writes nothing if a change returns undefined for a missing basket', async () => {
        const user = newUser()
        assert.equal(await baskets.update(user, unchanged), undefined)
        assert.equal(await store.read(user), undefined)
      })

      test('removes the basket if a change returns undefined', async () => {
        const user = newUser()
        await baskets.update(user, addOne)
        assert.equal(await baskets.update(user, () => undefined), undefined)
        assert.equal(await baskets.find(user), undefined)
        assert.equal(await store.read(user), undefined)
        assert.equal((await baskets.update(user, addOne)).version, 1)
      })

      test('rejects with the error that a change throws, writes nothing, and accepts the next update', async () => {
        const user = newUser()
        await baskets.update(user, addOne)
        const stored = await store.read(user)
        const failure = new Error('change failed')
        const update = baskets.update(user, () => {
          throw failure
        })
        await assert.rejects(update, (error) => error === failure)
        assert.equal(await store.read(user), stored)
        assert.equal((await baskets.update(user, addOne)).version, 2)
      })

      test('applies each of 200 concurrent updates through two connections', async () => {
        const user = newUser()
        const other = await store.connect()
        const writes = Array.from({ length: 200 }, (_, index) =>
          (index % 2 === 0 ? baskets : other).update(user, addOne),
        )
        const versions = (await Promise.all(writes)).map(({ version }) => version)
        assert.deepEqual(
          versions.toSorted((a, b) => a - b),
          Array.from({ length: 200 }, (_, index) => index + 1),
        )
        const stored = await baskets.find(user)
        assert.equal(stored && pieceCount(stored), 200)
      })

      test('gives each update of a burst its own version or its own error', async () => {
        const user = newUser()
        const failures = Array.from({ length: 60 }, (_, index) => new Error(`change ${index} failed`))
        const changeOf = (index: number) => (current: Basket | undefined) => {
          if (index % 3 === 1) throw failures[index]
          return index % 3 === 2 ? current : addOne(current)
        }
        const updates = failures.map((_, index) => baskets.update(user, changeOf(index)))
        const results = await Promise.allSettled(updates)
        assert.deepEqual(
          results.map((result) => (result.status === 'fulfilled' ? result.value?.version : result.reason)),
          failures.map((failure, index) => (index % 3 === 1 ? failure : Math.floor(index / 3) + 1)),
        )
        const stored = await baskets.find(user)
        assert.deepEqual([stored?.version, stored && pieceCount(stored)], [20, 20])
      })

      test('creates a new basket if it is added to after a removal in the same burst', async () => {
        const user = newUser()
        const add = () => baskets.update(user, addOne)
        const first = await add()
        const [second, removed, created, last] = await Promise.all([
          add(),
          baskets.update(user, () => undefined),
          add(),
          add(),
        ])
        assert.deepEqual([second.id, second.version, removed], [first.id, 2, undefined])
        assert.notEqual(created.id, first.id)
        assert.deepEqual([created.version, last.version, last.id], [1, 2, created.id])
        assert.deepEqual(await baskets.find(user), last)
      })

      test('lets only one of ten concurrent updates through two connections succeed that expect no basket', async () => {
        const user = newUser()
        const other = await store.connect()
        const updates = Array.from({ length: 10 }, (_, index) =>
          (index % 2 === 0 ? baskets : other).update(user, (current) => {
            requireExpected(current, { not: 'existing' })
            return addOne(current)
          }),
        )
        const failures = (await Promise.allSettled(updates)).filter(({ status }) => status === 'rejected')
        assert.equal(failures.length, 9)
        assert.equal((await baskets.find(user))?.version, 1)
      })

      test('expires a basket after its time to live, which a write extends and an unchanged result does not', async () => {
        const [extendedUser, idleUser] = [newUser(), newUser()]
        const ageBoth = (fraction: number) =>
          Promise.all([extendedUser, idleUser].map((user) => store.age(user, longTtl * fraction)))
        for (const user of [extendedUser, idleUser]) await baskets.update(user, addOne)
        await ageBoth(0.6)
        await baskets.update(extendedUser, addOne)
        await baskets.update(idleUser, unchanged)
        await ageBoth(0.6)
        assert.equal((await baskets.find(extendedUser))?.version, 2)
        assert.equal(await baskets.find(idleUser), undefined)
        await ageBoth(0.6)
        assert.equal(await baskets.find(extendedUser), undefined)
        assert.equal((await baskets.update(extendedUser, addOne)).version, 1)
      })

      test('with a time to live of a day, keeps a basket for a week if it is written every six hours, otherwise for a day', async () => {
        const daily = await store.connect(86_400)
        const [active, idle] = [newUser(), newUser()]
        for (const user of [active, idle]) await daily.update(user, addOne)
        for (let hour = 6; hour <= 7 * 24; hour += 6) {
          for (const user of [active, idle]) await store.age(user, 6 * 3_600)
          await daily.update(active, addOne)
          assert.equal((await daily.find(idle)) === undefined, hour >= 24, `after ${hour} hours`)
        }
        assert.equal((await daily.find(active))?.version, 1 + 7 * 4)
      })

      test('keeps the empty basket of a guest for an hour at most, and with lines as long as others', async () => {
        const guest = `guest:${newUser()}`
        const daily = await store.connect(86_400)
        const empty = (current: Basket | undefined) => ({ ...(current ?? aBasket(guest)), lines: [] })
        const addOneAsGuest = (current: Basket | undefined) => addOne(current ?? aBasket(guest))
        const lifetimeOf = ({ expiresAt, updatedAt }: Basket) =>
          (expiresAt.getTime() - updatedAt.getTime()) / 1_000
        assert.equal(lifetimeOf(await daily.update(guest, empty)), 3_600)
        await store.age(guest, 3_601)
        assert.equal(await daily.find(guest), undefined)

        await daily.update(guest, empty)
        assert.equal(lifetimeOf(await daily.update(guest, addOneAsGuest)), 86_400)
        await store.age(guest, 86_000)
        assert.ok(await daily.find(guest))
        await daily.update(guest, addOneAsGuest)
        assert.equal(lifetimeOf(await daily.update(guest, empty)), 3_600)
        await store.age(guest, 3_601)
        assert.equal(await daily.find(guest), undefined)

        assert.equal(lifetimeOf(await daily.update(newUser(), () => aBasket())), 86_400)
        const short = await store.connect(90)
        assert.equal(lifetimeOf(await short.update(guest, empty)), 90)
      })

      for (const record of ['not JSON', '{}', '{"id":"1","userId":"user","lines":[],"version":1}', ''])
        test(`rejects with an internal error if the stored record is ${record || 'an empty string'}, and leaves it unchanged`, async () => {
          const user = newUser()
          await store.write(user, record)
          await assert.rejects(baskets.find(user), isInternal)
          const change = test.mock.fn(addOne)
          await assert.rejects(baskets.update(user, change), isInternal)
          assert.equal(change.mock.callCount(), 0)
          assert.equal(await store.read(user), record)
        })

      test('has the same content as the reference model after random updates through two connections', async () => {
        const connections = [baskets, await store.connect()] as const
        const step = fc.record({
          connection: fc.constantFrom(0, 1),
          action: fc.oneof(
            { weight: 8, arbitrary: randomOperation },
            { weight: 1, arbitrary: fc.constant('remove the basket') },
            { weight: 1, arbitrary: fc.constant('change nothing') },
          ),
        })
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
            const user = newUser()
            const reference: Reference = new Map()
            let version = 0
            for (const { connection, action } of steps) {
              const { update, find } = connections[connection === 0 ? 0 : 1]
              if (action === 'remove the basket') {
                await update(user, () => undefined)
                reference.clear()
                version = 0
              } else if (action === 'change nothing') await update(user, unchanged)
              else if (typeof action === 'object') {
                const expected = performOn(reference, action)
                const code = await update(user, (stored) => apply(stored ?? aBasket(user), action)).then(
                  () => undefined,
                  (error: unknown) => (error instanceof AppError ? error.code : error),
                )
                assert.equal(code, expected)
                if (code === undefined) version += 1
              }
              const stored = await find(user)
              assert.equal(stored?.version ?? 0, version)
              assert.deepEqual(stored?.lines ?? [], [...reference.values()])
            }
          }),
          { numRuns: 40 },
        )
      })
    })
})
