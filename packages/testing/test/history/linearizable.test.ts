import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { Model, Operation } from '../../src/history/history.ts'
import { linearizable } from '../../src/history/linearizable.ts'
import { simulatedHistory } from '../../src/history/simulation.ts'
import { memoryRegister, plans, type RegisterInput, type RegisterOutput, register } from './register.ts'

type RegisterOperation = Operation<RegisterInput, RegisterOutput>

let client = 0
const read = (value: number, begin: number, end: number): RegisterOperation => ({
  client: client++,
  input: { kind: 'read' },
  output: value,
  begin,
  end,
})
const write = (value: number, begin: number, end: number): RegisterOperation => ({
  client: client++,
  input: { kind: 'write', value },
  output: true,
  begin,
  end,
})
const unknown = (operation: RegisterOperation, end = Infinity): RegisterOperation => ({
  ...operation,
  output: undefined,
  end,
})

const outcomeOf = (operations: readonly RegisterOperation[]) => linearizable(register, operations).outcome

describe('linearizable', () => {
  for (const [name, history, outcome] of [
    ['of nothing', [], 'linearizable'],
    // The two histories of the tests of Porcupine.
    [
      'in which one of two concurrent reads sees a concurrent write',
      [write(100, 0, 100), read(100, 25, 75), read(0, 30, 60)],
      'linearizable',
    ],
    [
      'in which a read sees a concurrent write, and a later read does not',
      [write(200, 0, 100), read(200, 10, 30), read(0, 40, 90)],
      'impossible',
    ],
    ['in which a read is stale', [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)], 'impossible'],
    [
      'in which concurrent writes end in either order',
      [write(1, 0, 9), write(2, 0, 9), read(1, 10, 11)],
      'linearizable',
    ],
    [
      'in which two readers see concurrent writes in opposite orders',
      [write(1, 0, 9), write(2, 0, 9), read(1, 10, 11), read(2, 12, 13)],
      'impossible',
    ],
    ['in which a value comes from nowhere', [write(1, 0, 1), read(3, 2, 3)], 'impossible'],
    ['in which a read ends before the write begins', [read(1, 0, 1), write(1, 2, 3)], 'impossible'],
    ['whose times are equal, which count as concurrent', [read(1, 0, 1), write(1, 1, 2)], 'linearizable'],
    [
      'in which a lost write is seen late',
      [unknown(write(1, 0, 1)), read(0, 2, 3), read(1, 4, 5)],
      'linearizable',
    ],
    ['in which a lost write is never seen', [unknown(write(1, 0, 1)), read(0, 2, 3)], 'linearizable'],
    [
      'in which a lost write is seen and then undone',
      [unknown(write(1, 0, 1)), read(1, 2, 3), read(0, 4, 5)],
      'impossible',
    ],
    [
      'in which one lost write takes effect twice',
      [unknown(write(1, 0, 1)), read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)],
      'impossible',
    ],
    [
      'in which two equal lost writes take effect one after the other',
      [unknown(write(1, 0, 1)), unknown(write(1, 0, 1)), read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)],
      'linearizable',
    ],
    [
      'in which a lost write takes effect before anything is there that can do it later',
      [unknown(write(1, 0, 1), 4), read(0, 2, 3), read(1, 5, 6)],
      'linearizable',
    ],
    [
      'in which a lost write takes effect after everything that could do it has ended',
      [unknown(write(1, 0, 1), 4), read(0, 5, 6), read(1, 7, 8)],
      'impossible',
    ],
    [
      'in which a lost write that had to take effect by then never did',
      [unknown(write(1, 0, 1), 4), read(0, 5, 6), read(0, 7, 8)],
      'linearizable',
    ],
  ] as const)
    it(`finds a history ${name} ${outcome}`, () => assert.equal(outcomeOf(history), outcome))

  /** The examples of Herlihy and Wing, 1990, figure 1: a queue, in which only order makes the difference. */
  const queue: Model<readonly string[], Readonly<{ put?: string }>, string> = {
    initial: [],
    step: (state, { put }, output) => {
      if (put !== undefined) return [[...state, put]]
      const [first, ...rest] = state
      return first !== undefined && (output === undefined || output === first) ? [rest] : []
    },
    keyOf: (state) => state.join(),
    isWithoutEffect: () => false,
  }
  const queued = (name: string, begin: number, end: number) => ({
    client: 0,
    input: { put: name },
    output: '',
    begin,
    end,
  })
  const taken = (name: string, begin: number, end: number) => ({
    client: 0,
    input: {},
    output: name,
    begin,
    end,
  })

  for (const [name, history, outcome] of [
    [
      'concurrent puts are taken in either order',
      [queued('x', 0, 5), queued('y', 1, 4), taken('y', 6, 7), taken('x', 8, 9)],
      'linearizable',
    ],
    [
      'puts one after the other are taken in the other order',
      [queued('x', 0, 1), queued('y', 2, 5), taken('y', 4, 7)],
      'impossible',
    ],
    ['something is taken while it is put', [queued('x', 0, 5), taken('x', 1, 2)], 'linearizable'],
    [
      'something is taken twice',
      [queued('x', 0, 5), queued('y', 0, 5), taken('y', 6, 9), taken('y', 6, 9)],
      'impossible',
    ],
  ] as const)
    it(`finds a history of a queue in which ${name} ${outcome}`, () =>
      assert.equal(linearizable(queue, history).outcome, outcome))

  it('reports that it is undecided when it has taken as many steps as it may', () => {
    const writes = Array.from({ length: 12 }, (_, value) => write(value, 0, 99))
    const history = [...writes, read(50, 100, 101)]
    const { outcome, steps } = linearizable(register, history, { maxSteps: 500 })
    assert.equal(outcome, 'undecided')
    assert.ok(steps > 500 && steps < 600)
    assert.equal(linearizable(register, history).outcome, 'impossible')
  })

  it('needs no more steps for many equal unknown writes than for one', () => {
    const history = (lost: number) => [
      ...Array.from({ length: lost }, () => unknown(write(1, 0, 1))),
      ...Array.from({ length: 20 }, (_, index) => write(2, 10 + index * 2, 11 + index * 2)),
      read(3, 60, 61),
    ]
    const stepsOf = (lost: number) => {
      const { outcome, steps } = linearizable(register, history(lost))
      assert.equal(outcome, 'impossible')
      return steps
    }
    // With 30, every write can be preceded by one of them.
    assert.ok(stepsOf(30) < 2_000, String(stepsOf(30)))
  })
})

/** Whether any order of the operations explains the history, with any of the unknown ones left out: tries all of them. */
const isExplainable = (history: readonly RegisterOperation[], state = 0): boolean => {
  if (history.every(({ output }) => output === undefined)) return true
  const firstEnd = Math.min(...history.map(({ end }) => end))
  return history.some((operation) => {
    const rest = history.filter((other) => other !== operation)
    if (operation.output === undefined && isExplainable(rest, state)) return true
    const states = register.step(state, operation.input, operation.output)
    return operation.begin <= firstEnd && states.some((next) => isExplainable(rest, next))
  })
}

describe('linearizable, on histories of simulated clients', () => {
  it('accepts every history of a register whose operations take effect one at a time', () =>
    fc.assert(
      fc.property(plans(60), (planned) => {
        assert.equal(outcomeOf(simulatedHistory(planned, memoryRegister())), 'linearizable')
      }),
    ))

  it('finds the same as a search that tries every order, on histories with wrong outputs', () => {
    const found = { linearizable: 0, impossible: 0, undecided: 0 }
    fc.assert(
      fc.property(plans(7), fc.nat(6), fc.nat(3), fc.nat(9), (planned, index, value, lifetime) => {
        const history = simulatedHistory(planned, memoryRegister()).map((operation, place) => {
          if (operation.output === undefined && place % 2 === 0)
            return { ...operation, end: operation.begin + lifetime }
          return place === index && typeof operation.output === 'number'
            ? { ...operation, output: value }
            : operation
        })
        const outcome = outcomeOf(history)
        assert.equal(outcome === 'linearizable', isExplainable(history))
        found[outcome] += 1
      }),
      { numRuns: 1_000 },
    )
    assert.ok(
      found.linearizable > 100 && found.impossible > 30 && found.undecided === 0,
      JSON.stringify(found),
    )
  })
})
