import type { Model, Operation, Verdict } from './history.ts'
import { Search } from './search.ts'

const defaultMaxSteps = 2_000_000

/**
 * Whether the operations can have taken effect one after the other, each between its begin and its end, with the outputs that the clients
 * saw: the search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memo and the linked list of Lowe ("Testing
 * for linearizability", 2017), as in the checker Porcupine. Operations with unknown outcomes may take effect at any time before their end,
 * or never; many of them make the search long, so it ends as undecided after `maxSteps` calls of the model.
 */
export const linearizable = <State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  { maxSteps = defaultMaxSteps }: Readonly<{ maxSteps?: number }> = {},
): Verdict => {
  const search = new Search(model, operations)
  return { outcome: search.run(maxSteps), steps: search.steps }
}
