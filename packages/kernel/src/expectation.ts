/**
 * A write's precondition on the stored value. `anything` always holds, even if there is no stored value.
 * `existing` requires a stored value. An array requires that the stored value is in one of these states, so
 * an empty array never holds.
 */
export type Expected<State> = 'anything' | 'existing' | readonly State[]

/**
 * Whether the stored value, or its absence, meets the precondition. `isIn` returns whether a stored value is
 * in a state.
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
