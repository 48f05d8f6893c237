import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemContext } from '@shop/kernel/context.ts'
import { codeOf } from '@shop/kernel/errors.ts'
import { pipeline } from '@shop/platform/pipeline.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { type UseCases, useCases } from '../../src/application/use-cases.ts'
import type { Ports } from '../../src/domain/ports.ts'
import { aProduct, rowsIn } from '../support/baskets.ts'
import { unknownGuest } from '../support/guests.ts'
import { catalogOf, openPorts } from '../support/ports.ts'

const context = systemContext('test')
const expected = 'anything'

const openUseCases = async (changed: (ports: Ports) => Partial<Ports> = () => ({})) => {
  const calls = { find: 0, update: 0, catalog: 0 }
  const storage = await openPorts(async (id) => {
    calls.catalog += 1
    return aProduct({ id })
  })
  const { baskets } = storage.ports
  const counted: Ports['baskets'] = {
    find: (userId) => {
      calls.find += 1
      return baskets.find(userId)
    },
    mayRemember: baskets.mayRemember,
    update: (userId, change) => {
      calls.update += 1
      return baskets.update(userId, change)
    },
  }
  const { commands, queries } = useCases({ ...storage.ports, baskets: counted, ...changed(storage.ports) })
  const use = pipeline({ ...commands, ...queries }, [])
  return { use, calls, sqlite: storage.sqlite, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() }
}

type Call = (use: UseCases, userId: string) => Promise<unknown>

/** Every use case of a basket. */
const calls: readonly Call[] = [
  (use, userId) => use.getBasket({ userId }, context),
  (use, userId) => use.createBasket({ userId, expected }, context),
  (use, userId) => use.addItem({ userId, productId: 1, quantity: 1, expected }, context),
  (use, userId) => use.addItems({ userId, quantities: [{ productId: 1, quantity: 1 }], expected }, context),
  (use, userId) =>
    use.setQuantities({ userId, quantities: [{ productId: 1, quantity: 1 }], expected }, context),
  (use, userId) =>
    use.setQuantities({ userId, quantities: [{ productId: 1, quantity: 0 }], expected }, context),
  (use, userId) => use.setQuantity({ userId, productId: 1, quantity: 1, expected }, context),
  (use, userId) => use.setQuantity({ userId, productId: 1, quantity: 0, expected }, context),
  (use, userId) => use.removeItem({ userId, productId: 1, expected }, context),
  (use, userId) => use.clearBasket({ userId, expected }, context),
  (use, userId) => use.deleteBasket({ userId, expected }, context),
]

describe('guests', () => {
  test('whose ids are guessed 10,000 times do not exist, and nothing is written or looked up', async () => {
    await using shop = await openUseCases()
    await shop.use.createGuestBasket({ expected }, context)
    for (let attempt = 0; attempt < 10_000; attempt++)
      await assert.rejects(
        calls[attempt % calls.length]?.(shop.use, unknownGuest()) ?? Promise.resolve(),
        hasCode('not_found'),
      )
    assert.equal(rowsIn(shop.sqlite), 1)
    assert.equal(shop.calls.catalog, 0)
  })

  test('cost one more read when they add or set a quantity, and users none', async () => {
    await using shop = await openUseCases()
    const { userId } = await shop.use.createGuestBasket({ expected }, context)
    for (const [user, reads] of [
      ['ann', 0],
      [userId, 1],
    ] as const)
      for (const change of [
        () => shop.use.addItem({ userId: user, productId: 1, quantity: 1, expected }, context),
        () => shop.use.setQuantity({ userId: user, productId: 1, quantity: 2, expected }, context),
        () =>
          shop.use.addItems({ userId: user, quantities: [{ productId: 1, quantity: 1 }], expected }, context),
        () =>
          shop.use.setQuantities(
            { userId: user, quantities: [{ productId: 1, quantity: 2 }], expected },
            context,
          ),
      ]) {
        Object.assign(shop.calls, { find: 0, update: 0, catalog: 0 })
        await change()
        assert.deepEqual(shop.calls, { find: reads, update: 1, catalog: 1 }, user)
      }
  })

  test('whose basket expires between the read and the write get no new one', async () => {
    await using shop = await openUseCases(({ baskets }) => ({
      catalog: catalogOf(async (id) => {
        await baskets.update(guest, () => undefined)
        return aProduct({ id })
      }),
    }))
    const { userId: guest } = await shop.use.createGuestBasket({ expected }, context)
    for (const add of [
      () => shop.use.addItem({ userId: guest, productId: 1, quantity: 1, expected }, context),
      () =>
        shop.use.addItems({ userId: guest, quantities: [{ productId: 1, quantity: 1 }], expected }, context),
      () =>
        shop.use.setQuantities(
          { userId: guest, quantities: [{ productId: 1, quantity: 1 }], expected },
          context,
        ),
    ])
      await assert.rejects(add(), hasCode('not_found'))
    assert.equal(rowsIn(shop.sqlite), 0)
  })

  test('never get the basket of another, even if the random source repeats itself', async () => {
    await using shop = await openUseCases(() => ({ newSecret: () => 'always-the-same-secret' }))
    await shop.use.createGuestBasket({ expected }, context)
    await assert.rejects(
      shop.use.createGuestBasket({ expected }, context),
      (error) => codeOf(error) === 'internal',
    )
  })
})
