/** The writes that are remembered for the repetitions of their callers. */
export type RememberedWrites = Readonly<{
  /**
   * Forgets some of those that are older than a day, the oldest first. Resolves with whether there may be more. Rejects with
   * `unavailable`.
   */
  forgetOld: () => Promise<boolean>
}>
