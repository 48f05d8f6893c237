import type { Outcome } from './batches.ts'

/**
 * Applies the items of a batch one after the other, each to the state that the one before returned. An item that throws
 * leaves the state as it is. Returns the last state, and as the outcome of each item the state that it returned.
 */
export const applyInOrder = <State, Item>(
  initial: State,
  items: readonly Item[],
  apply: (state: State, item: Item) => State,
): Readonly<{ state: State; outcomes: readonly Outcome<State>[] }> => {
  let state = initial
  const outcomes = items.map((item): Outcome<State> => {
    try {
      state = apply(state, item)
      return { value: state }
    } catch (error) {
      return { error }
    }
  })
  return { state, outcomes }
}
