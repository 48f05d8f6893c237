import { drive, type HttpRequest, type Outcome } from './load/http-load.ts'
import { residentMegabytes, secondsBetween, usageOf } from './processor-time.ts'
import { type Spread, spreadOf } from './report.ts'
import { measureInRounds } from './rounds.ts'

/** The processes whose CPU time is measured: those of the measured service, of the services that it calls, and of the stores. */
export type Processes = Readonly<{
  service?: readonly number[]
  called?: readonly number[]
  store?: readonly number[]
}>

/** A subject of the comparison. `run` applies the same kind of load to every candidate, and measures it. */
export type Candidate = Readonly<{ name: string; processes: Processes; run: () => Promise<Outcome> }>

/** One comparison: a scenario at a number of connections. Its servers start when the candidates are created. */
export type Row = Readonly<{ scenario: string; connections: number; candidates: () => Promise<Candidate[]> }>

export const httpCandidate = (
  name: string,
  server: Readonly<{ url: string; processes: Processes }>,
  load: Readonly<{ requests: readonly HttpRequest[]; connections: number; seconds: number }>,
  prepare?: () => Promise<void>,
): Candidate => ({
  name,
  processes: server.processes,
  run: async () => {
    await prepare?.()
    return drive({ url: server.url, ...load })
  },
})

type Group = keyof Processes
type Measurement = Outcome & Readonly<{ cpu: Partial<Record<Group, number>>; megabytes: number }>

/** Takes one measurement: the outcome, and what the processes used meanwhile. */
export const measure = async ({ name, processes, run }: Candidate): Promise<Measurement> => {
  const groups = Object.entries(processes).filter(([, pids]) => pids.length > 0)
  const before = groups.map(([, pids]) => usageOf(pids))
  const outcome = await run()
  if (outcome.rate === 0) throw new Error(`all requests to ${name} failed`)
  const cpu = groups.map(([group, pids], index) => {
    const seconds = secondsBetween(before[index] ?? new Map(), usageOf(pids))
    return [group, (seconds / outcome.requests) * 1e6]
  })
  return { ...outcome, cpu: Object.fromEntries(cpu), megabytes: residentMegabytes(processes.service ?? []) }
}

export type Summary = Readonly<{
  /** Requests per second that succeeded. */
  rate: Spread
  /** The first candidate's rate divided by this one's, computed per round. */
  ratio: Spread
  /** Percentiles of the duration, in ms. */
  p50: Spread
  p99: Spread
  /** The CPU time per request, in µs. */
  cpu: Readonly<Partial<Record<Group, Spread>>>
  megabytes: number
  /** The requests of all rounds that failed. */
  failed: number
}>

const summarize = (own: readonly Measurement[], first: readonly Measurement[]): Summary => {
  const spread = (value: (one: Measurement, round: number) => number) => spreadOf(own.map(value))
  const groups = Object.keys(own[0]?.cpu ?? {}) as Group[]
  return {
    rate: spread(({ rate }) => rate),
    ratio: spread(({ rate }, round) => (first[round]?.rate ?? Number.NaN) / rate),
    p50: spread(({ p50 }) => p50),
    p99: spread(({ p99 }) => p99),
    cpu: Object.fromEntries(groups.map((group) => [group, spread(({ cpu }) => cpu[group] ?? Number.NaN)])),
    megabytes: Math.max(...own.map(({ megabytes }) => megabytes)),
    failed: own.reduce((sum, { failed }) => sum + failed, 0),
  }
}

/** Measures the candidates in interleaved rounds, after a warm-up. Returns a summary of each, by name. */
export const compareCandidates = async (
  candidates: readonly Candidate[],
  rounds: number,
): Promise<Record<string, Summary>> => {
  const measurements = await measureInRounds(
    candidates.map((candidate) => () => measure(candidate)),
    rounds,
  )
  return Object.fromEntries(
    candidates.map(({ name }, index) => [name, summarize(measurements[index] ?? [], measurements[0] ?? [])]),
  )
}
