import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type Basket, pieceCount, withMore } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import { aBasket, aProduct } from './baskets.ts'

/** Adds one piece. Rotates through ten products, because a line holds at most 999 pieces. */
export const addPiece = (basket = aBasket()): Basket =>
  withMore(basket, aProduct({ id: 1 + (basket.version % 10), stock: 1_000 }), 1)

/** The results of one user's writes, each of which adds one piece. */
export type Writer = {
  readonly user: string
  /** The versions of the acknowledged writes, in order. */
  readonly acknowledged: number[]
  /** The number of writes that were `unavailable`, and may or may not have been stored. */
  unknown: number
}

/** Starts writing to the baskets of all users, with one write at a time for each, until `stop` is called. */
export const startLoad = (baskets: BasketRepository, users: readonly string[]) => {
  const stopController = new AbortController()
  const write = async (writer: Writer) => {
    while (!stopController.signal.aborted) {
      try {
        writer.acknowledged.push((await baskets.update(writer.user, addPiece)).version)
      } catch (error) {
        if (codeOf(error) !== 'unavailable') throw error
        writer.unknown += 1
      }
      await delay(10)
    }
  }
  const writers = users.map((user): Writer => ({ user, acknowledged: [], unknown: 0 }))
  const running = Promise.all(writers.map(write))
  return {
    writers,
    stop: async () => {
      stopController.abort()
      await running
    },
  }
}

/** Waits until each writer has `count` more acknowledged writes. */
export const waitForWrites = async (writers: readonly Writer[], count: number): Promise<void> => {
  const goals = writers.map((writer) => ({ writer, length: writer.acknowledged.length + count }))
  await eventually(30_000, async () =>
    assert.deepEqual(
      goals.filter(({ writer, length }) => writer.acknowledged.length < length),
      [],
    ),
  )
}

/** Pairs of successive acknowledged versions in which the second is not greater. */
const versionRegressions = ({ acknowledged }: Writer) =>
  acknowledged.flatMap((version, index) => {
    const previous = acknowledged[index - 1] ?? 0
    return version > previous ? [] : [{ previous, version }]
  })

const assertConsistent = (basket: Basket | undefined): Basket => {
  assert.ok(basket)
  assert.equal(basket.version, pieceCount(basket), 'the version equals the number of pieces')
  return basket
}

/** Asserts that the basket has every acknowledged write, and no others except writes with an unknown outcome. */
export const assertNothingLost = (writer: Writer, basket: Basket | undefined): void => {
  const { version } = assertConsistent(basket)
  assert.deepEqual(versionRegressions(writer), [], `the versions of ${writer.user} went back`)
  const { length } = writer.acknowledged
  assert.ok(
    length <= version && version <= length + writer.unknown,
    `${writer.user}: ${length} acknowledged writes, but version ${version}`,
  )
}

/** Asserts that the versions went back exactly once, and that no write up to version `replicated` was lost. */
export const assertTailLost = (writer: Writer, basket: Basket | undefined, replicated: number): void => {
  assertConsistent(basket)
  const [regression, ...others] = versionRegressions(writer)
  assert.ok(regression, `${writer.user} lost nothing`)
  assert.deepEqual(others, [])
  assert.ok(
    regression.version > replicated,
    `${writer.user} went back to version ${regression.version}, although version ${replicated} was replicated`,
  )
}
