import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BasketInput, BasketOutput, Item } from './model/basket-operation.ts'
import type { BasketOperation } from './support/clients.ts'
import { Counts } from './support/counts.ts'
import { createJudge } from './support/judge.ts'

const products = [1, 2].map((id) => ({ id, stock: 999 }))

/** Operations one after the other. */
const historyOf = (...steps: readonly [BasketInput, BasketOutput | undefined][]): BasketOperation[] =>
  steps.map(([input, output], index) => ({
    client: index,
    input,
    output,
    begin: 2 * index,
    end: output === undefined ? Infinity : 2 * index + 1,
  }))

const add = (productId: number): BasketInput => ({ kind: 'add', productId, quantity: 1 })
const answer = (version: number, ...lines: readonly Item[]): BasketOutput => ({
  status: 200,
  replayed: false,
  etag: `"8e03.${version}"`,
  lines,
})
const one: Item = { productId: 1, quantity: 1 }
const two: Item = { productId: 1, quantity: 2 }
const other: Item = { productId: 2, quantity: 1 }

describe('with a failover', () => {
  const judge = (operations: readonly BasketOperation[], hadFailover: boolean) => {
    const counts = new Counts()
    createJudge({ products }, counts)({ userId: 'ann', operations: [...operations] }, hadFailover)
    return counts.get('histories in which a read saw what a failover lost')
  }

  it('a read may see a write that was not confirmed and is lost, and without one it may not', () => {
    const history = historyOf(
      [add(1), answer(1, one)],
      [add(1), undefined],
      [{ kind: 'get' }, answer(2, two)],
      [add(2), answer(2, one, other)],
    )
    assert.equal(judge(history, true), 1)
    assert.throws(() => judge(history, false), /ann is not linearizable/)
  })

  it('a confirmed write may not be lost', () => {
    const history = historyOf(
      [add(1), answer(1, one)],
      [add(1), answer(2, two)],
      [add(2), answer(2, one, other)],
    )
    assert.throws(() => judge(history, true), /ann is not linearizable/)
  })

  it('a replay is confirmed, too', () => {
    const keyed: BasketInput = { ...add(1), key: 'a' }
    const history = historyOf(
      [keyed, undefined],
      [keyed, { ...answer(1, one), replayed: true }],
      [add(2), answer(1, other)],
    )
    assert.throws(() => judge(history, true), /ann is not linearizable/)
  })
})
