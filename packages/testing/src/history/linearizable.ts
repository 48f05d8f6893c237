import type { Model, Operation, Verdict } from './history.ts'

/** Interface only; see the next commit. */
export const linearizable = <State, Input, Output>(
  _model: Model<State, Input, Output>,
  _operations: readonly Operation<Input, Output>[],
  _options: Readonly<{ maxSteps?: number }> = {},
): Verdict => {
  throw new Error('not yet')
}
