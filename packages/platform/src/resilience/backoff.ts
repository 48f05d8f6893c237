type Backoff = Readonly<{
  /** The first and the longest delay, in milliseconds. */
  first: number
  last: number
  /** The random share of a delay, from 0 to 1, so that clients that failed together do not retry together. */
  jitter?: number
}>

/** The delay before the next attempt, after `failed` failures (0 or more). It doubles with each failure. */
export const backoff = (failed: number, { first, last, jitter = 0 }: Backoff): number =>
  Math.min(first * 2 ** failed, last) * (1 - jitter * Math.random())
