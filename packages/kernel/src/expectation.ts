/**
 * A write's precondition on the stored value. `anything` always holds, even if there is no stored value.
 * `existing` requires a stored value. An array requires that the stored value is in one of these states, so
 * an empty array never holds. `not` holds if the other precondition does not; `all` holds if each of them does.
 */
export type Expected<State> =
  | 'anything'
  | 'existing'
  | readonly State[]
  | Readonly<{ not: Expected<State> }>
  | Readonly<{ all: readonly Expected<State>[] }>

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
  if (expected === 'existing') return stored !== undefined
  if ('not' in expected) return !isExpected(stored, expected.not, isIn)
  if ('all' in expected) return expected.all.every((part) => isExpected(stored, part, isIn))
  return stored !== undefined && expected.some((state) => isIn(stored, state))
}
