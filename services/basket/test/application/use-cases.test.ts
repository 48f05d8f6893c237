import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemContext } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { pipeline } from '@shop/platform/pipeline.ts'
import { removeExpiredBaskets } from '../../src/application/commands/remove-expired-baskets.ts'
import { type UseCases, useCases } from '../../src/application/use-cases.ts'
import type { BasketState } from '../../src/domain/basket.ts'
import type { BasketEvent } from '../../src/domain/basket-events.ts'
import { aBasket, aProduct, coded, longTtl } from '../support/baskets.ts'
import { openPorts } from '../support/ports.ts'

const context = systemContext('test')
const userId = 'user123'
const start = new Date('2026-11-22T09:58:00.123Z')
const later = (date: Date, seconds: number) => new Date(date.getTime() + seconds * 1_000)

/** The use cases with a clock that stands until it is set, and ids in turn. */
const openUseCases = async () => {
  const time = { now: start }
  const clock = () => time.now
  const opened = await openPorts(async (id) => aProduct({ id }), clock)
  let ids = 0
  const newId = () => `basket-${++ids}`
  const { commands, queries } = useCases({ ...opened.ports, clock, newId })
  const use = pipeline({ ...commands, ...queries }, [])
  return { use, time, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

describe('a new basket', () => {
  const fresh = {
    id: 'basket-1',
    userId,
    lines: [],
    version: 1,
    createdAt: start,
    updatedAt: start,
    expiresAt: later(start, longTtl),
  }
  const line = { productId: 7, name: '1984', price: 1_499n, category: 'Books', quantity: 2 }

  test('that is made by itself has the id of the source of ids and the time of the clock', async () => {
    await using opened = await openUseCases()
    const { use, time } = opened
    assert.deepEqual(await use.createBasket({ userId, expected: 'anything' }, context), {
      basket: fresh,
      created: true,
    })
    time.now = later(start, 60)
    assert.deepEqual(await use.createBasket({ userId, expected: 'anything' }, context), {
      basket: fresh,
      created: false,
    })
    assert.deepEqual(await use.getBasket({ userId }, context), fresh)
  })

  test('that an item makes has them too, and keeps them when more is added', async () => {
    await using opened = await openUseCases()
    const { use, time } = opened
    const item = { userId, productId: 7, quantity: 2, expected: 'anything' } as const
    assert.deepEqual(await use.addItem(item, context), { ...fresh, lines: [line] })
    time.now = later(start, 60)
    assert.deepEqual(await use.addItem(item, context), {
      ...fresh,
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
  setQuantity: (use, expected) => use.setQuantity({ userId, productId: 7, quantity: 5, expected }, context),
  'setQuantity to 0': (use, expected) =>
    use.setQuantity({ userId, productId: 7, quantity: 0, expected }, context),
  removeItem: (use, expected) => use.removeItem({ userId, productId: 7, expected }, context),
  clearBasket: (use, expected) => use.clearBasket({ userId, expected }, context),
  deleteBasket: (use, expected) => use.deleteBasket({ userId, expected }, context),
}
const makers = new Set(['createBasket', 'addItem'])

for (const [name, write] of Object.entries(writes))
  describe(`${name} by a state that is expected`, () => {
    const openWithBasket = async () => {
      const opened = await openUseCases()
      const item = { userId, productId: 7, quantity: 1, expected: 'anything' } as const
      const stored = await opened.use.addItem(item, context)
      return { ...opened, stored }
    }

    test('is refused as stale, and changes nothing, when the basket is in another', async () => {
      await using opened = await openWithBasket()
      const { use, stored } = opened
      for (const states of [[], [{ id: stored.id, version: 2 }], [{ id: 'another', version: 1 }]] as const)
        await assert.rejects(write(use, states), coded('stale_version'))
      assert.deepEqual(await use.getBasket({ userId }, context), stored)
    })

    test('goes through when the basket is in it, or only has to be there', async () => {
      for (const statesOf of [
        ({ id, version }: BasketState) => [
          { id: 'another', version },
          { id, version },
        ],
        () => 'existing' as const,
      ]) {
        await using opened = await openWithBasket()
        await write(opened.use, statesOf(opened.stored))
      }
    })

    test(`is ${makers.has(name) ? 'stale' : 'not found'} without a basket, and makes none`, async () => {
      await using opened = await openUseCases()
      const { use } = opened
      const code = makers.has(name) ? 'stale_version' : 'not_found'
      for (const states of ['existing', [], [{ id: 'basket-1', version: 1 }]] as const)
        await assert.rejects(write(use, states), coded(code))
      await assert.rejects(use.getBasket({ userId }, context), coded('not_found'))
    })
  })

describe('to remove expired baskets', () => {
  const published = () => {
    const events: BasketEvent[] = []
    const publish = (more: readonly BasketEvent[]) => void events.push(...more)
    return { events, port: { publish } }
  }

  test('publishes each of those that the store has removed', async () => {
    const { events, port } = published()
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

  test('publishes nothing where the store removes them by itself', async () => {
    const { events, port } = published()
    await removeExpiredBaskets({ events: port })()
    assert.deepEqual(events, [])
  })

  test('rejects, and publishes nothing, when the store could not', async () => {
    const { events, port } = published()
    const refusal = new AppError('unavailable', 'too many others are writing')
    const removeExpired = () => Promise.reject(refusal)
    await assert.rejects(
      removeExpiredBaskets({ expiry: { removeExpired }, events: port })(),
      (error) => error === refusal,
    )
    assert.deepEqual(events, [])
  })
})
