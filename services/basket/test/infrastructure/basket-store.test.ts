import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, codeOf } from '@shop/kernel/errors.ts'
import * as fc from 'fast-check'
import { type Basket, pieceCount, withMore } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import { aBasket, aProduct, longTtl, type Store, stores } from '../support/baskets.ts'
import { apply, performOn, type Reference, randomOperation } from '../support/reference.ts'

const product = aProduct({ stock: 100_000 })
const oneMore = (basket: Basket | undefined): Basket => withMore(basket ?? aBasket(), product, 1)
const isOurs = (error: unknown) => codeOf(error) === 'internal'
const itself = <Value>(value: Value): Value => value

let users = 0
const someone = () => `user-${++users}`

describe('baskets', { concurrency: true }, () => {
  for (const { technology, open, skip } of stores)
    describe(`in ${technology}`, { skip, concurrency: 1 }, () => {
      let store: Store
      let baskets: BasketRepository
      before(async () => {
        store = await open()
        baskets = await store.connect()
      })
      after(() => store[Symbol.asyncDispose]())

      test('a user without a basket has none', async () => {
        assert.equal(await baskets.find(someone()), undefined)
      })

      test('the first update makes the basket, and versions count the writes', async () => {
        const user = someone()
        assert.equal((await baskets.update(user, oneMore)).version, 1)
        assert.equal((await baskets.update(user, oneMore)).version, 2)
        const third = await baskets.update(user, oneMore)
        assert.equal(third.version, 3)
        assert.equal(pieceCount(third), 3)
        assert.deepEqual(await baskets.find(user), third)
      })

      test('a change sees what another connection has stored', async () => {
        const user = someone()
        const stored = await (await store.connect()).update(user, oneMore)
        await baskets.update(user, (seen) => {
          assert.deepEqual(seen, stored)
          return seen
        })
      })

      test('baskets of different users are apart', async () => {
        const [one, other] = [someone(), someone()]
        const stored = await baskets.update(one, oneMore)
        await baskets.update(other, oneMore)
        await baskets.update(other, () => undefined)
        assert.deepEqual(await baskets.find(one), stored)
      })

      test('a basket expires the configured time after its last write', async () => {
        const user = someone()
        const earliest = Date.now()
        const { expiresAt, updatedAt } = await baskets.update(user, oneMore)
        assert.ok(updatedAt.getTime() >= earliest && updatedAt.getTime() <= Date.now())
        assert.equal(expiresAt.getTime() - updatedAt.getTime(), longTtl * 1_000)
      })

      test('the time of a write is that of the clock, by which the basket also expires', async () => {
        const user = someone()
        const now = new Date('2026-11-22T09:58:00.123Z')
        const clocked = await store.connect(90, () => now)
        const stored = await clocked.update(user, oneMore)
        assert.deepEqual(
          { updatedAt: stored.updatedAt, expiresAt: stored.expiresAt },
          { updatedAt: now, expiresAt: new Date('2026-11-22T09:59:30.123Z') },
        )
        assert.deepEqual(await clocked.find(user), stored)
      })

      test('a change that returns what came in writes nothing', async () => {
        const user = someone()
        await baskets.update(user, oneMore)
        const stored = await store.read(user)
        await delay(2)
        const result = await baskets.update(user, itself)
        assert.equal(result?.version, 1)
        assert.equal(await store.read(user), stored)
      })

      test('a change that makes nothing of nothing writes nothing', async () => {
        const user = someone()
        assert.equal(await baskets.update(user, itself), undefined)
        assert.equal(await store.read(user), undefined)
      })

      test('a change that returns undefined removes the basket', async () => {
        const user = someone()
        await baskets.update(user, oneMore)
        assert.equal(await baskets.update(user, () => undefined), undefined)
        assert.equal(await baskets.find(user), undefined)
        assert.equal(await store.read(user), undefined)
        assert.equal((await baskets.update(user, oneMore)).version, 1)
      })

      test('what a change throws is passed on, nothing is written, and the next update works', async () => {
        const user = someone()
        await baskets.update(user, oneMore)
        const stored = await store.read(user)
        const refusal = new Error('not like this')
        const refused = baskets.update(user, () => {
          throw refusal
        })
        await assert.rejects(refused, (error) => error === refusal)
        assert.equal(await store.read(user), stored)
        assert.equal((await baskets.update(user, oneMore)).version, 2)
      })

      test('of 200 simultaneous updates through two connections each takes effect', async () => {
        const user = someone()
        const other = await store.connect()
        const writes = Array.from({ length: 200 }, (_, index) =>
          (index % 2 === 0 ? baskets : other).update(user, oneMore),
        )
        const versions = (await Promise.all(writes)).map(({ version }) => version)
        assert.deepEqual(
          versions.toSorted((a, b) => a - b),
          Array.from({ length: 200 }, (_, index) => index + 1),
        )
        const stored = await baskets.find(user)
        assert.equal(stored && pieceCount(stored), 200)
      })

      test('a basket is gone after its time, which a write renews and a change of nothing does not', async () => {
        const [renewed, kept] = [someone(), someone()]
        const pass = (part: number) =>
          Promise.all([renewed, kept].map((user) => store.age(user, longTtl * part)))
        for (const user of [renewed, kept]) await baskets.update(user, oneMore)
        await pass(0.6)
        await baskets.update(renewed, oneMore)
        await baskets.update(kept, itself)
        await pass(0.6)
        assert.equal((await baskets.find(renewed))?.version, 2)
        assert.equal(await baskets.find(kept), undefined)
        await pass(0.6)
        assert.equal(await baskets.find(renewed), undefined)
        assert.equal((await baskets.update(renewed, oneMore)).version, 1)
      })

      test('a basket that is used every hour is there after a week, and one left alone is gone after a day', async () => {
        const daily = await store.connect(86_400)
        const [used, left] = [someone(), someone()]
        for (const user of [used, left]) await daily.update(user, oneMore)
        for (let hour = 1; hour <= 7 * 24; hour++) {
          for (const user of [used, left]) await store.age(user, 3_600)
          await daily.update(used, oneMore)
          assert.equal((await daily.find(left)) === undefined, hour >= 24, `after ${hour} hours`)
        }
        assert.equal((await daily.find(used))?.version, 1 + 7 * 24)
      })

      for (const text of ['no JSON', '{}', '{"id":"1","userId":"user","lines":[],"version":1}', ''])
        test(`what is stored as ${text || 'an empty text'} is an error, never "no basket", and stays as it is`, async () => {
          const user = someone()
          await store.write(user, text)
          await assert.rejects(baskets.find(user), isOurs)
          const change = test.mock.fn(oneMore)
          await assert.rejects(baskets.update(user, change), isOurs)
          assert.equal(change.mock.callCount(), 0)
          assert.equal(await store.read(user), text)
        })

      test('random updates through two connections leave what the plain reference has', async () => {
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
            const user = someone()
            const reference: Reference = new Map()
            let version = 0
            for (const { connection, action } of steps) {
              const { update, find } = connections[connection === 0 ? 0 : 1]
              if (action === 'remove the basket') {
                await update(user, () => undefined)
                reference.clear()
                version = 0
              } else if (action === 'change nothing') await update(user, itself)
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
