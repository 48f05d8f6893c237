import type { Model } from '../../src/history/history.ts'

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
