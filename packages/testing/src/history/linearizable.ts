import type { Model, Operation, Verdict } from './history.ts'
import { Search } from './search.ts'

const defaultMaxSteps = 2_000_000

/**
 * The searches, one after the other. Most histories have an order with few unknown operations in a row, so such orders are tried first.
 * The last search tries all of them: if it finds no order, the history is not linearizable.
 */
const searches = [
  { maxRun: 1, share: 0.1 },
  { maxRun: 2, share: 0.1 },
  { maxRun: 4, share: 0.1 },
  { maxRun: Infinity, share: 0.7 },
] as const

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
  const hasUnknown = operations.some(({ output }) => output === undefined)
  let steps = 0
  let outcome: Verdict['outcome'] = 'undecided'
  for (const { maxRun, share } of hasUnknown ? searches : [{ maxRun: Infinity, share: 1 }]) {
    const search = new Search(model, operations, maxRun)
    outcome = search.run(maxSteps * share)
    steps += search.steps
    if (outcome === 'linearizable') break
  }
  return { outcome, steps }
}
