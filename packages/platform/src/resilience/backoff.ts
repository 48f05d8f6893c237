type Backoff = Readonly<{
  /** The first pause and the longest one, in milliseconds. */
  first: number
  last: number
  /** The share of a pause that is left to chance, from 0 to 1, so that those who lost the same thing do not come back at once. */
  jitter?: number
}>

/** How long to wait before another attempt, after so many (0 or more) that failed: twice as long each time. */
export const backoff = (failed: number, { first, last, jitter = 0 }: Backoff): number =>
  Math.min(first * 2 ** failed, last) * (1 - jitter * Math.random())
