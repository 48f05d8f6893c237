/**
 * What a write expects of what is stored: nothing in particular; that there is something; or that it is in one of these states,
 * none of which it is in when the list is empty.
 */
export type Expected<State> = 'anything' | 'existing' | readonly State[]

/** Whether what is stored, or that nothing is, fits. `isIn` compares something stored with a state. */
export const isExpected = <Stored, State>(
  stored: Stored | undefined,
  expected: Expected<State>,
  isIn: (stored: Stored, state: State) => boolean,
): boolean => {
  if (expected === 'anything') return true
  if (stored === undefined) return false
  return expected === 'existing' || expected.some((state) => isIn(stored, state))
}
