import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type Basket, pieceCount, withMore } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import { aBasket, aProduct } from './baskets.ts'

/** One piece more, of ten products in turn: a basket holds 999 of each. */
export const oneMore = (basket = aBasket()): Basket =>
  withMore(basket, aProduct({ id: 1 + (basket.version % 10), stock: 1_000 }), 1)

/** What became of one user's writes, each of which adds one piece. */
export type Writer = {
  readonly user: string
  /** The versions of the writes that were acknowledged, in order. */
  readonly acknowledged: number[]
  /** How many were `unavailable`, so that nobody knows what became of them. */
  unknown: number
}

/** Adds to the baskets of all users, one write after the other for each, until it is stopped. */
export const startLoad = (baskets: BasketRepository, users: readonly string[]) => {
  const stopping = new AbortController()
  const write = async (writer: Writer) => {
    while (!stopping.signal.aborted) {
      try {
        writer.acknowledged.push((await baskets.update(writer.user, oneMore)).version)
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
      stopping.abort()
      await running
    },
  }
}

/** Each writer has `count` more acknowledged writes than when this is called. */
export const untilMore = async (writers: readonly Writer[], count: number): Promise<void> => {
  const goals = writers.map((writer) => ({ writer, length: writer.acknowledged.length + count }))
  await eventually(30_000, async () =>
    assert.deepEqual(
      goals.filter(({ writer, length }) => writer.acknowledged.length < length),
      [],
    ),
  )
}

/** Where the versions go back: the one that was acknowledged before, and the next one. */
const setbacks = ({ acknowledged }: Writer) =>
  acknowledged.flatMap((version, index) => {
    const before = acknowledged[index - 1] ?? 0
    return version > before ? [] : [{ before, version }]
  })

const assertConsistent = (basket: Basket | undefined): Basket => {
  assert.ok(basket)
  assert.equal(basket.version, pieceCount(basket), 'each write added one piece and one version')
  return basket
}

/** Every acknowledged write is in the basket, and none that was never made. */
export const assertNothingLost = (writer: Writer, basket: Basket | undefined): void => {
  const { version } = assertConsistent(basket)
  assert.deepEqual(setbacks(writer), [], `${writer.user} went back`)
  const { length } = writer.acknowledged
  assert.ok(
    length <= version && version <= length + writer.unknown,
    `${writer.user}: ${length} of ${version}`,
  )
}

/** The last writes are lost, but none up to the version `kept`: the basket went back once to what it had been. */
export const assertTailLost = (writer: Writer, basket: Basket | undefined, kept: number): void => {
  assertConsistent(basket)
  const [setback, ...others] = setbacks(writer)
  assert.ok(setback, `${writer.user} lost nothing`)
  assert.deepEqual(others, [])
  assert.ok(setback.version > kept, `${writer.user} went back to ${setback.version}, and ${kept} was kept`)
}
