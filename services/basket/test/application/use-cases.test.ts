import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemContext } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { pipeline } from '@shop/platform/pipeline.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { removeExpiredBaskets } from '../../src/application/commands/remove-expired-baskets.ts'
import { type UseCases, useCases } from '../../src/application/use-cases.ts'
import type { BasketState } from '../../src/domain/basket.ts'
import type { BasketEvent } from '../../src/domain/basket-events.ts'
import { aBasket, aProduct, longTtl } from '../support/baskets.ts'
import { openPorts } from '../support/ports.ts'

const context = systemContext('test')
const userId = 'user123'
const start = new Date('2026-11-22T09:58:00.123Z')
const later = (date: Date, seconds: number) => new Date(date.getTime() + seconds * 1_000)

/** Opens the use cases with a clock that the test sets and ids that are numbered from 1. */
const openUseCases = async () => {
  const time = { now: start }
  const clock = () => time.now
  const storage = await openPorts(async (id) => aProduct({ id }), clock)
  let ids = 0
  const newId = () => `basket-${++ids}`
  const { commands, queries } = useCases({ ...storage.ports, clock, newId })
  const use = pipeline({ ...commands, ...queries }, [])
  return { use, time, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
}

describe('a new basket', () => {
  const created = {
    id: 'basket-1',
    userId,
    lines: [],
    version: 1,
    createdAt: start,
    updatedAt: start,
    expiresAt: later(start, longTtl),
  }
  const line = { productId: 7, name: '1984', price: 1_499n, category: 'Books', quantity: 2 }

  test('created by createBasket has a new id and the current time, and a second call returns it unchanged', async () => {
    await using opened = await openUseCases()
    const { use, time } = opened
    assert.deepEqual(await use.createBasket({ userId, expected: 'anything' }, context), {
      basket: created,
      created: true,
    })
    time.now = later(start, 60)
    assert.deepEqual(await use.createBasket({ userId, expected: 'anything' }, context), {
      basket: created,
      created: false,
    })
    assert.deepEqual(await use.getBasket({ userId }, context), created)
  })

  test('created by addItem has a new id and the current time, and a second call keeps its id and creation time', async () => {
    await using opened = await openUseCases()
    const { use, time } = opened
    const item = { userId, productId: 7, quantity: 2, expected: 'anything' } as const
    assert.deepEqual(await use.addItem(item, context), { ...created, lines: [line] })
    time.now = later(start, 60)
    assert.deepEqual(await use.addItem(item, context), {
      ...created,
      lines: [{ ...line, quantity: 4 }],
      version: 2,
      updatedAt: time.now,
      expiresAt: later(time.now, longTtl),
    })
  })
})

type Write = (use: UseCases, expected: Expected<BasketState>) => Promise<unknown>

const writes: Readonly<Record<string, Write>> = {
  createBasket: (use, expected) => use.createBasket({ userId, expected }, context),
  addItem: (use, expected) => use.addItem({ userId, productId: 8, quantity: 1, expected }, context),
  addItems: (use, expected) =>
    use.addItems({ userId, quantities: [{ productId: 8, quantity: 1 }], expected }, context),
  setQuantities: (use, expected) =>
    use.setQuantities(
      {
        userId,
        quantities: [
          { productId: 7, quantity: 2 },
          { productId: 9, quantity: 0 },
        ],
        expected,
      },
      context,
    ),
  'setQuantities to 0': (use, expected) =>
    use.setQuantities({ userId, quantities: [{ productId: 7, quantity: 0 }], expected }, context),
  setQuantity: (use, expected) => use.setQuantity({ userId, productId: 7, quantity: 5, expected }, context),
  'setQuantity to 0': (use, expected) =>
    use.setQuantity({ userId, productId: 7, quantity: 0, expected }, context),
  removeItem: (use, expected) => use.removeItem({ userId, productId: 7, expected }, context),
  clearBasket: (use, expected) => use.clearBasket({ userId, expected }, context),
  deleteBasket: (use, expected) => use.deleteBasket({ userId, expected }, context),
}
/** The writes that create a basket if there is none. */
const creators = new Set(['createBasket', 'addItem', 'addItems', 'setQuantities', 'setQuantities to 0'])

for (const [name, write] of Object.entries(writes))
  describe(`${name} with an expected state`, () => {
    const openWithBasket = async () => {
      const opened = await openUseCases()
      const item = { userId, productId: 7, quantity: 1, expected: 'anything' } as const
      const stored = await opened.use.addItem(item, context)
      return { ...opened, stored }
    }

    test('rejects with stale_version and changes nothing if the basket is in another state', async () => {
      await using opened = await openWithBasket()
      const { use, stored } = opened
      const current = [{ id: stored.id, version: 1 }]
      for (const expected of [
        [],
        [{ id: stored.id, version: 2 }],
        [{ id: 'another', version: 1 }],
        { not: 'existing' },
        { not: current },
        { all: [current, { not: current }] },
      ] as const)
        await assert.rejects(write(use, expected), hasCode('stale_version'))
      assert.deepEqual(await use.getBasket({ userId }, context), stored)
    })

    test('succeeds if the basket is in that state, or if any existing basket is expected', async () => {
      for (const expectedOf of [
        ({ id, version }: BasketState) => [
          { id: 'another', version },
          { id, version },
        ],
        () => 'existing' as const,
        () => ({ not: [{ id: 'another', version: 1 }] }),
        ({ id, version }: BasketState) => ({ all: [[{ id, version }], { not: [{ id, version: 2 }] }] }),
      ]) {
        await using opened = await openWithBasket()
        await write(opened.use, expectedOf(opened.stored))
      }
    })

    const code = creators.has(name) ? 'stale_version' : 'not_found'
    test(`rejects with ${code} and creates no basket if there is none`, async () => {
      await using opened = await openUseCases()
      const { use } = opened
      for (const expected of ['existing', [], [{ id: 'basket-1', version: 1 }]] as const)
        await assert.rejects(write(use, expected), hasCode(code))
      await assert.rejects(use.getBasket({ userId }, context), hasCode('not_found'))
    })
  })

describe('removeExpiredBaskets', () => {
  const recordingEvents = () => {
    const events: BasketEvent[] = []
    const publish = (published: readonly BasketEvent[]) => void events.push(...published)
    return { events, port: { publish } }
  }

  test('publishes an event for each basket that the store has removed', async () => {
    const { events, port } = recordingEvents()
    const line = { productId: 7, name: '1984', price: 1_499n, category: 'Books', quantity: 9 }
    const removed = [
      { ...aBasket('ann'), id: 'one', lines: [line, { ...line, productId: 8 }] },
      { ...aBasket('bob'), id: 'two' },
    ]
    await removeExpiredBaskets({ expiry: { removeExpired: async () => removed }, events: port })()
    assert.deepEqual(events, [
      { type: 'basket_expired', basketId: 'one', lines: 2 },
      { type: 'basket_expired', basketId: 'two', lines: 0 },
    ])
  })

  test('publishes nothing if the store removes expired baskets by itself', async () => {
    const { events, port } = recordingEvents()
    await removeExpiredBaskets({ events: port })()
    assert.deepEqual(events, [])
  })

  test('rejects and publishes nothing if the store fails', async () => {
    const { events, port } = recordingEvents()
    const failure = new AppError('unavailable', 'too many concurrent writes')
    const removeExpired = () => Promise.reject(failure)
    await assert.rejects(
      removeExpiredBaskets({ expiry: { removeExpired }, events: port })(),
      (error) => error === failure,
    )
    assert.deepEqual(events, [])
  })
})
