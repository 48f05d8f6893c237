/**
 * A write's precondition on the stored value: `anything` always holds, also without a stored value;
 * `existing` requires a stored value; an array requires one of its states. An empty array never holds.
 */
export type Expected<State> = 'anything' | 'existing' | readonly State[]

/**
 * Whether the stored value, or its absence, meets the precondition. `isIn` compares a stored value with a
 * state.
 */
export const isExpected = <Stored, State>(
  stored: Stored | undefined,
  expected: Expected<State>,
  isIn: (stored: Stored, state: State) => boolean,
): boolean => {
  if (expected === 'anything') return true
  if (stored === undefined) return false
  return expected === 'existing' || expected.some((state) => isIn(stored, state))
}
