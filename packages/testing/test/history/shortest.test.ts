import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { assertLinearizable } from '../../src/history/assert-linearizable.ts'
import type { Operation } from '../../src/history/history.ts'
import { linearizable } from '../../src/history/linearizable.ts'
import { shortestImpossible } from '../../src/history/shortest.ts'
import { simulatedHistory } from '../../src/history/simulation.ts'
import { memoryRegister, plans, type RegisterInput, type RegisterOutput, register } from './register.ts'

type History = readonly Operation<RegisterInput, RegisterOutput>[]

const isImpossible = (history: History) => linearizable(register, history).outcome === 'impossible'

const texts = {
  inputText: (input: RegisterInput) => (input.kind === 'write' ? `write ${input.value}` : input.kind),
  outputText: String,
}

const staleRead: History = [
  { client: 1, input: { kind: 'read' }, output: 0, begin: 1, end: 2 },
  { client: 1, input: { kind: 'write', value: 7 }, output: true, begin: 3, end: 4 },
  { client: 3, input: { kind: 'write', value: 8 }, output: undefined, begin: 5, end: Infinity },
  { client: 2, input: { kind: 'read' }, output: 0, begin: 6, end: 8 },
  { client: 1, input: { kind: 'read' }, output: 7, begin: 7, end: 9 },
  { client: 1, input: { kind: 'read' }, output: 7, begin: 10, end: 11 },
]

describe('the shortest history that cannot be', () => {
  it('ends with the first answer that cannot be, and has no read that it does not need', () => {
    const [, write, unknown, read] = staleRead
    assert.deepEqual(shortestImpossible(register, staleRead), [write, unknown, read])
  })

  it('ends earlier if that is only wrong without a refusal, which could have been a success until its answer came', () => {
    const early: History = [
      { client: 1, input: { kind: 'read' }, output: 1, begin: 1, end: 2 },
      { client: 2, input: { kind: 'swap', from: 0, to: 1 }, output: false, begin: 1, end: 5 },
      { client: 3, input: { kind: 'write', value: 1 }, output: true, begin: 3, end: 4 },
    ]
    assert.deepEqual(shortestImpossible(register, early), early.slice(0, 1))
  })

  it('cannot be, and could be without any of its reads and refusals or without its last answer', () => {
    let found = 0
    fc.assert(
      fc.property(plans(30), fc.nat(29), fc.nat(3), (planned, index, value) => {
        const history = simulatedHistory(planned, memoryRegister()).map((operation, place) =>
          place === index && typeof operation.output === 'number'
            ? { ...operation, output: value }
            : operation,
        )
        fc.pre(isImpossible(history))
        found += 1
        const shortest = shortestImpossible(register, history)
        assert.ok(isImpossible(shortest))
        const last = Math.max(...shortest.map(({ end }) => end).filter(Number.isFinite))
        const withoutLast = shortest.map((operation) =>
          operation.end === last ? { ...operation, output: undefined, end: Infinity } : operation,
        )
        assert.ok(!isImpossible(withoutLast))
        for (const operation of shortest)
          if (register.isWithoutEffect(operation.input, operation.output))
            assert.ok(!isImpossible(shortest.filter((other) => other !== operation)))
      }),
      { numRuns: 100, maxSkipsPerRun: 1_000 },
    )
    assert.equal(found, 100)
  })
})

describe('assertLinearizable', () => {
  it('returns the number of steps for a history that can be', () => {
    assert.ok(assertLinearizable(register, staleRead.slice(0, 2), { name: 'x', ...texts }) > 0)
  })

  it('throws with the shortest history that cannot be, as a table', () => {
    assert.throws(() => assertLinearizable(register, staleRead, { name: 'register 5', ...texts }), {
      message: `register 5 is not linearizable (6 operations, 1 of them with an unknown outcome). No order explains the last answer, at 8, with the others (3 operations, 1 of them with an unknown outcome):
begin  end  client  asked    answered  time
3      4    1       write 7  true      ├─────────┤
5      …    3       write 8  unknown                       ├───────────────────…
6      8    2       read     0                                      ├─────────┤`,
    })
  })

  it('throws if the search is undecided, and does not call that linearizable', () => {
    const writes = Array.from({ length: 12 }, (_, value) => ({
      client: value,
      input: { kind: 'write' as const, value },
      output: true,
      begin: 0,
      end: 99,
    }))
    const last = { client: 0, input: { kind: 'read' as const }, output: 50, begin: 100, end: 101 }
    assert.throws(
      () => assertLinearizable(register, [...writes, last], { name: 'x', maxSteps: 100, ...texts }),
      /UNDECIDED, nothing is proven/,
    )
  })
})
