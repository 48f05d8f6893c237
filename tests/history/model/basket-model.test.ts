import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Operation } from '@shop/testing/history/history.ts'
import { linearizable } from '@shop/testing/history/linearizable.ts'
import { type Plan, simulatedHistory } from '@shop/testing/history/simulation.ts'
import * as fc from 'fast-check'
import { basketModel } from './basket-model.ts'
import type { BasketInput, BasketOutput } from './basket-operation.ts'
import { type Fault, memoryBasket, stock, type Wish, wishes } from './simulated-baskets.ts'

type BasketOperation = Operation<BasketInput, BasketOutput>

const model = basketModel(stock)
const outcomeOf = (history: readonly BasketOperation[]) => linearizable(model, history).outcome

const allFates = [
  ...Array.from({ length: 12 }, () => 'answered' as const),
  'unanswered',
  'late',
  'never',
] as const

const manyUnknown = ['answered', 'answered', 'answered', 'unanswered', 'late', 'never'] as const

/** A history with a last read by a client that has seen nothing else. */
const withLastRead = (history: readonly BasketOperation[], output: BasketOutput): BasketOperation[] => {
  const begin = Math.max(0, ...history.map((operation) => operation.begin)) + 1_000
  return [...history, { client: -1, input: { kind: 'get' }, output, begin, end: begin + 1 }]
}

/** The place of one of the plans whose operation writes something. */
const writtenPlace = (plans: readonly Plan<Wish>[], number: number): number | undefined => {
  const places: number[] = []
  const basket = memoryBasket((after, _before, index) => {
    places.push(index)
    return after
  })
  simulatedHistory(plans, basket)
  return places[number % Math.max(places.length, 1)]
}

describe('the model of a basket, on histories of simulated clients', () => {
  it('accepts those of a service that keeps the contract', () =>
    fc.assert(
      fc.property(wishes({ clients: 6, maxLength: 60, fates: allFates }), (plans) => {
        assert.equal(outcomeOf(simulatedHistory(plans, memoryBasket())), 'linearizable')
      }),
    ))

  it('accepts long ones of 12 clients with dozens of unknown outcomes, in few steps', () => {
    const samples = fc.sample(wishes({ clients: 12, minLength: 300, maxLength: 300, fates: allFates }), {
      numRuns: 10,
      seed: 23,
    })
    for (const plans of samples) {
      const history = simulatedHistory(plans, memoryBasket())
      const unknown = history.filter(({ output }) => output === undefined).length
      assert.ok(unknown > 30, String(unknown))
      const { outcome, steps } = linearizable(model, history)
      assert.equal(outcome, 'linearizable')
      assert.ok(steps < 200_000, String(steps))
    }
  })

  it('finds the same without the hints that make it fast', () => {
    const { initial, step, keyOf, isWithoutEffect } = model
    const withoutHints = { initial, step, keyOf, isWithoutEffect }
    const found = { linearizable: 0, impossible: 0, undecided: 0 }
    fc.assert(
      fc.property(wishes({ clients: 5, maxLength: 16, fates: manyUnknown }), fc.nat(30), (plans, lost) => {
        const place = writtenPlace(plans, lost)
        const basket = memoryBasket((after, before, index) => (index === place ? before : after))
        const history = simulatedHistory(plans, basket)
        const expected = linearizable(withoutHints, history, { maxSteps: 100_000 }).outcome
        found[expected] += 1
        if (expected !== 'undecided') assert.equal(outcomeOf(history), expected)
      }),
      { numRuns: 1_000 },
    )
    assert.ok(found.impossible > 100 && found.undecided < 20, JSON.stringify(found))
  })
})

/** Each fault shows in a last read, or before, if no write has an unknown outcome and no basket is deleted. */
const faults: Record<string, (place: number) => Fault> = {
  // What a plain SET by a write that came between does.
  'lost update': (place) => (after, before, index) => (index === place ? before : after),
  'doubled write': (place) => (after, _before, index) =>
    index === place && after !== undefined ? { ...after, version: after.version + 1 } : after,
}

describe('the model of a basket, on histories of a faulty service', () => {
  const plans = wishes({
    clients: 4,
    minLength: 5,
    maxLength: 40,
    deletes: 0,
    fates: ['answered', 'answered', 'never'],
  })

  for (const [name, faultAt] of Object.entries(faults))
    it(`rejects those with a ${name}`, () =>
      fc.assert(
        fc.property(plans, fc.nat(100), (planned, number) => {
          // A doubled write looks like one whose answer was lost, so there must be none.
          const known =
            name === 'doubled write'
              ? planned.map((plan) => ({ ...plan, fate: 'answered' as const }))
              : planned
          const place = writtenPlace(known, number)
          fc.pre(place !== undefined)
          const basket = memoryBasket(faultAt(place))
          const history = simulatedHistory(known, basket)
          assert.equal(outcomeOf(withLastRead(history, basket.ask({ kind: 'get' }))), 'impossible')
        }),
      ))

  it('rejects those in which the key of a write is lost and the write is done again', () =>
    fc.assert(
      fc.property(plans, (planned) => {
        const answered = planned.map((plan) => ({ ...plan, fate: 'answered' as const }))
        const isRetry = (input: BasketInput) => input.kind !== 'create' && input.key !== undefined
        const basket = memoryBasket((after) => after && { ...after, keys: [] })
        const history = simulatedHistory(answered, basket)
        const written = history.filter(
          ({ input, output }) => isRetry(input) && output?.status === 200 && !output.replayed,
        )
        const keys = written.map(({ input }) => input.key)
        fc.pre(keys.length <= 16 && new Set(keys).size < keys.length)
        assert.equal(outcomeOf(history), 'impossible')
      }),
    ))

  it('rejects those with a read that is older than an answer before it', () =>
    fc.assert(
      fc.property(plans, fc.nat(100), (planned, number) => {
        const history = simulatedHistory(planned, memoryBasket())
        const shown = history.flatMap(({ output }) => (output?.lines === undefined ? [] : [output]))
        const versions = shown.map(({ etag }) => Number(etag?.split('.')[1]?.slice(0, -1)))
        const older = shown.filter((_, index) => (versions[index] ?? 0) < Math.max(...versions))
        const stale = older[number % Math.max(older.length, 1)]
        fc.pre(stale !== undefined)
        assert.equal(
          outcomeOf(withLastRead(history, { ...stale, status: 200, replayed: false })),
          'impossible',
        )
      }),
    ))

  it('rejects those with a read of what was never written', () =>
    fc.assert(
      fc.property(plans, (planned) => {
        const basket = memoryBasket()
        const history = simulatedHistory(planned, basket)
        basket.perform({ kind: 'add', productId: 1, quantity: 77 }, planned.length)
        assert.equal(outcomeOf(withLastRead(history, basket.ask({ kind: 'get' }))), 'impossible')
      }),
    ))
})

/** One operation after the other, by the answers that the service gives. */
const sequence = (
  ...steps: readonly (readonly [BasketInput, Partial<BasketOutput> | undefined])[]
): BasketOperation[] =>
  steps.map(([input, output], index) => ({
    client: 0,
    input,
    output: output && { status: 200, replayed: false, ...output },
    begin: 2 * index,
    end: output === undefined ? Number.POSITIVE_INFINITY : 2 * index + 1,
  }))

const add: BasketInput = { kind: 'add', productId: 1, quantity: 2 }
const keyedAdd: BasketInput = { ...add, key: 'k' }
const get: BasketInput = { kind: 'get' }
const shows = (version: number, quantity: number, id = 'a') => ({
  etag: `"${id}.${version}"`,
  lines: quantity === 0 ? [] : [{ productId: 1, quantity }],
})
const replayed = (version: number, quantity: number) => ({ ...shows(version, quantity), replayed: true })
const problem = (status: number, code: string) => ({ status, code })

describe('the model of a basket', () => {
  for (const [name, history, outcome] of [
    [
      'a retry whose first try was lost after it had taken effect',
      sequence([keyedAdd, undefined], [keyedAdd, replayed(1, 2)]),
      'linearizable',
    ],
    [
      'a retry whose first try never took effect',
      sequence([keyedAdd, undefined], [keyedAdd, shows(1, 2)]),
      'linearizable',
    ],
    [
      'a retry that is done twice',
      sequence([keyedAdd, undefined], [get, shows(1, 2)], [keyedAdd, shows(2, 4)]),
      'impossible',
    ],
    [
      'a retry of an answered write that is done twice',
      sequence([keyedAdd, shows(1, 2)], [keyedAdd, shows(2, 4)]),
      'impossible',
    ],
    [
      'a retry without a key that is done twice',
      sequence([add, undefined], [get, shows(1, 2)], [add, shows(2, 4)]),
      'linearizable',
    ],
    ['a lost add that takes effect twice', sequence([add, undefined], [get, shows(2, 4)]), 'impossible'],
    [
      'two lost tries with one key of which both take effect',
      sequence([keyedAdd, undefined], [keyedAdd, undefined], [get, shows(2, 4)]),
      'impossible',
    ],
    [
      'a replay of what was never asked',
      sequence([add, shows(1, 2)], [keyedAdd, replayed(1, 2)]),
      'impossible',
    ],
    [
      'a replay that shows the basket as it is now',
      sequence([keyedAdd, shows(1, 2)], [add, shows(2, 4)], [keyedAdd, replayed(2, 4)]),
      'linearizable',
    ],
    [
      'a replay that shows the basket as it was',
      sequence([keyedAdd, shows(1, 2)], [add, shows(2, 4)], [keyedAdd, replayed(1, 2)]),
      'impossible',
    ],
    [
      'a retry with the tag of before the write',
      sequence(
        [add, shows(1, 2)],
        [{ ...keyedAdd, ifMatch: '"a.1"' }, shows(2, 4)],
        [{ ...keyedAdd, ifMatch: '"a.1"' }, replayed(2, 4)],
      ),
      'linearizable',
    ],
    [
      'a retry that gets a 412 for its own success',
      sequence(
        [add, shows(1, 2)],
        [{ ...keyedAdd, ifMatch: '"a.1"' }, shows(2, 4)],
        [{ ...keyedAdd, ifMatch: '"a.1"' }, problem(412, 'stale_version')],
      ),
      'impossible',
    ],
    [
      'a key that comes with another request',
      sequence(
        [keyedAdd, shows(1, 2)],
        [{ ...keyedAdd, quantity: 3 }, problem(422, 'idempotency_key_reused')],
      ),
      'linearizable',
    ],
    [
      'a key that comes with another request and is done',
      sequence([keyedAdd, shows(1, 2)], [{ ...keyedAdd, quantity: 3 }, shows(2, 5)]),
      'impossible',
    ],
    [
      'a key that was forgotten with its basket',
      sequence([keyedAdd, shows(1, 2)], [{ kind: 'delete' }, { status: 204 }], [keyedAdd, shows(1, 2, 'b')]),
      'linearizable',
    ],
    [
      'a new basket with the id of the one before',
      sequence([add, shows(1, 2)], [{ kind: 'delete' }, { status: 204 }], [add, shows(1, 2)]),
      'impossible',
    ],
    [
      'a new basket that goes on with the version of the one before',
      sequence([add, shows(1, 2)], [{ kind: 'delete' }, { status: 204 }], [add, shows(2, 2, 'b')]),
      'impossible',
    ],
    [
      'a key that sixteen others have pushed out',
      sequence(
        [keyedAdd, shows(1, 2)],
        ...Array.from(
          { length: 16 },
          (_, index) => [{ ...add, key: `other-${index}` }, shows(index + 2, 2 * index + 4)] as const,
        ),
        [keyedAdd, shows(18, 36)],
      ),
      'linearizable',
    ],
    [
      'a key that fifteen others must not have pushed out',
      sequence(
        [keyedAdd, shows(1, 2)],
        ...Array.from(
          { length: 15 },
          (_, index) => [{ ...add, key: `other-${index}` }, shows(index + 2, 2 * index + 4)] as const,
        ),
        [keyedAdd, shows(17, 34)],
      ),
      'impossible',
    ],
    [
      'an add beyond the stock',
      sequence(
        [
          { kind: 'add', productId: 3, quantity: 4 },
          { etag: '"a.1"', lines: [{ productId: 3, quantity: 4 }] },
        ],
        [
          { kind: 'add', productId: 3, quantity: 3 },
          { etag: '"a.2"', lines: [{ productId: 3, quantity: 7 }] },
        ],
      ),
      'impossible',
    ],
    [
      'refusals that name what is available',
      sequence(
        [
          {
            kind: 'addMany',
            items: [
              { productId: 1, quantity: 1 },
              { productId: 4, quantity: 1 },
              { productId: 3, quantity: 7 },
            ],
          },
          {
            ...problem(404, 'product_not_found'),
            refusals: [
              { index: 1, code: 'product_not_found' },
              { index: 2, code: 'insufficient_stock', available: 6, requested: 7 },
            ],
          },
        ],
        [get, problem(404, 'not_found')],
      ),
      'linearizable',
    ],
    [
      'several lines of which only some are added',
      sequence(
        [
          {
            kind: 'addMany',
            items: [
              { productId: 1, quantity: 2 },
              { productId: 3, quantity: 7 },
            ],
          },
          problem(409, 'insufficient_stock'),
        ],
        [get, shows(1, 2)],
      ),
      'impossible',
    ],
    [
      'a 304 for another version',
      sequence(
        [add, shows(1, 2)],
        [add, shows(2, 4)],
        [
          { ...get, ifNoneMatch: '"a.1"' },
          { status: 304, etag: '"a.1"' },
        ],
      ),
      'impossible',
    ],
    [
      'a creation that wipes the basket',
      sequence([add, shows(1, 2)], [{ kind: 'create' }, shows(1, 0)]),
      'impossible',
    ],
    [
      'a creation that is replayed as one',
      sequence(
        [
          { kind: 'create', key: 'k' },
          { status: 201, ...shows(1, 0) },
        ],
        [
          { kind: 'create', key: 'k' },
          { status: 201, ...replayed(1, 0) },
        ],
      ),
      'linearizable',
    ],
    [
      'a 429 that did something',
      sequence([add, problem(429, 'rate_limited')], [get, shows(1, 2)]),
      'impossible',
    ],
  ] as const)
    it(`finds ${name} ${outcome}`, () => assert.equal(outcomeOf(history), outcome))
})
