/** Background work that a service repeats. `startJobs` runs it. */
export type Job = Readonly<{
  name: string
  /** The pause between two runs, in milliseconds. A function is called after each run. */
  pauseMs: number | (() => number)
  /** One run, which must end in bounded time. */
  work: (signal: AbortSignal) => Promise<unknown>
}>
