/** Background work that a service repeats. `startJobs` runs it. */
export type Job = Readonly<{
  name: string
  /** The pause between two runs, in milliseconds. A function is called after each run. */
  pauseMs: number | (() => number)
  /** One run, which must end in bounded time. */
  work: (signal: AbortSignal) => Promise<unknown>
}>

type HasJobs = Readonly<{ jobs: readonly Job[] }>

/** The jobs of those parts of a service that there are. */
export const jobsOf = (...parts: readonly (HasJobs | undefined)[]): readonly Job[] =>
  parts.flatMap((part) => part?.jobs ?? [])
