/** How much each identity may use: `quota` points in a window of `windowSeconds`, which begins with the first of them. */
export type RatePolicy = Readonly<{
  /** In snake case: it is part of the keys, the metrics and the fields of responses. */
  name: string
  quota: number
  windowSeconds: number
}>

/** What an identity has used in its current window, and the time until that ends. */
export type Usage = Readonly<{ used: number; resetMs: number }>

/** The usage that several processes share. */
export type SharedUsage = Readonly<{
  /** Adds points, which may be negative, to what the identity has used. Rejects if the store does not respond. */
  add: (identity: string, points: number) => Promise<Usage>
}>

/** `remaining` points are left until the window ends in `resetMs`. */
export type RateDecision = Readonly<{ isAllowed: boolean; remaining: number; resetMs: number }>

/** Shares the usage of a policy. Policies with the same name share the same. */
export type ShareUsage = (policy: RatePolicy) => SharedUsage
