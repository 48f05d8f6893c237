import * as fc from 'fast-check'
import type { Model } from '../../src/history/history.ts'
import type { Plan } from '../../src/history/simulation.ts'

export type RegisterInput = Readonly<
  { kind: 'read' } | { kind: 'write'; value: number } | { kind: 'swap'; from: number; to: number }
>
/** The value that was read, or whether the write or swap succeeded. */
export type RegisterOutput = number | boolean

const resultOf = (state: number, input: RegisterInput): readonly [number, RegisterOutput] => {
  if (input.kind === 'read') return [state, state]
  if (input.kind === 'write') return [input.value, true]
  return state === input.from ? [input.to, true] : [state, false]
}

/** A register that holds one number, at first 0, with compare-and-swap. */
export const register: Model<number, RegisterInput, RegisterOutput> = {
  initial: 0,
  step: (state, input, output) => {
    const [next, expected] = resultOf(state, input)
    return output === undefined || output === expected ? [next] : []
  },
  keyOf: String,
  isWithoutEffect: ({ kind }, output) => kind === 'read' || output === false,
}

/** A register in memory, for simulated clients. */
export const memoryRegister = () => {
  let value = 0
  return {
    perform: (input: RegisterInput): RegisterOutput => {
      const [next, output] = resultOf(value, input)
      value = next
      return output
    },
    inputOf: (input: RegisterInput) => input,
  }
}

const input = fc.oneof(
  fc.constant<RegisterInput>({ kind: 'read' }),
  fc.record({ kind: fc.constant('write' as const), value: fc.nat(3) }),
  fc.record({ kind: fc.constant('swap' as const), from: fc.nat(3), to: fc.nat(3) }),
)

/** Plans for clients of a register. */
export const plans = (maxLength: number): fc.Arbitrary<Plan<RegisterInput>[]> =>
  fc.array(
    fc.record({
      client: fc.nat(4),
      request: input,
      fate: fc.constantFrom('answered', 'answered', 'answered', 'unanswered', 'late', 'never'),
      wait: fc.nat(3),
      before: fc.nat(6),
      after: fc.nat(6),
    }),
    { maxLength },
  )
