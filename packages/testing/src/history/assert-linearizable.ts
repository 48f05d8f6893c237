import type { Model, Operation } from './history.ts'
import { linearizable } from './linearizable.ts'
import { printed, type Texts, timeText } from './print.ts'
import { shortestImpossible } from './shortest.ts'

type Options<Input, Output> = Texts<Input, Output> & Readonly<{ name: string; maxSteps?: number }>

const count = (operations: readonly Operation<unknown, unknown>[]): string =>
  `${operations.length} operations, ${operations.filter(({ output }) => output === undefined).length} of them with an unknown outcome`

/**
 * Returns the number of steps of the search. Throws if the history of the object `name` is not linearizable, with the shortest part of
 * it that is not, and also if the search ended without an answer.
 */
export const assertLinearizable = <State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  options: Options<Input, Output>,
): number => {
  const { outcome, steps } = linearizable(model, operations, options)
  if (outcome === 'linearizable') return steps
  if (outcome === 'undecided')
    throw new Error(
      `UNDECIDED, nothing is proven: whether ${options.name} is linearizable was not found in ${steps} steps (${count(operations)})`,
    )
  const shortest = shortestImpossible(model, operations, options)
  const last = Math.max(...shortest.map(({ end }) => end).filter(Number.isFinite))
  throw new Error(
    `${options.name} is not linearizable (${count(operations)}). No order explains the last answer, at ${timeText(last)}, with the others (${count(shortest)}):\n${printed(shortest, options)}`,
  )
}
