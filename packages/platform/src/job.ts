/** Background work that a service repeats. `startJobs` runs it. */
export type Job = Readonly<{
  name: string
  /** The pause between two runs, in milliseconds. */
  pauseMs: number
  /** One run, which must end in bounded time. */
  work: (signal: AbortSignal) => Promise<unknown>
}>
