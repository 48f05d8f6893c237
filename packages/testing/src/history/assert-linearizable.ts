import type { Model, Operation } from './history.ts'

/**
 * Throws unless the history of one object is linearizable, with the shortest history that cannot be as its message, or with the number of
 * steps if the search is undecided. Returns the number of steps.
 */
export const assertLinearizable = <State, Input, Output>(
  _model: Model<State, Input, Output>,
  _operations: readonly Operation<Input, Output>[],
  _options: Readonly<{
    name: string
    maxSteps?: number
    /** How a row of the report shows what was asked and answered. */
    inputText: (input: Input) => string
    outputText: (output: Output) => string
  }>,
): number => {
  throw new Error('not yet')
}
