import { throwIfInterrupted } from './interrupt.ts'
import { drive, type HttpRequest, type Outcome } from './load.ts'
import { processorSeconds, residentMegabytes, type Server } from './process.ts'
import { type Spread, spreadOf } from './report.ts'

/** A subject of the comparison. `run` applies the same kind of load to every candidate, and measures it. */
export type Candidate = Readonly<{
  name: string
  /** The process whose CPU time and memory are measured. */
  server?: Server
  run: () => Promise<Outcome>
}>

export const httpCandidate = (
  name: string,
  server: Server,
  load: Readonly<{ requests: readonly HttpRequest[]; connections: number; seconds: number }>,
  prepare?: () => Promise<void>,
): Candidate => ({
  name,
  server,
  run: async () => {
    await prepare?.()
    return drive({ url: server.url, ...load })
  },
})

type Measurement = Outcome & Readonly<{ microseconds: number; megabytes: number }>

const measure = async ({ name, server, run }: Candidate): Promise<Measurement> => {
  throwIfInterrupted()
  const cpuBefore = server ? processorSeconds(server) : 0
  const startTime = performance.now()
  const outcome = await run()
  const elapsed = (performance.now() - startTime) / 1_000
  if (outcome.failed > 0) throw new Error(`${outcome.failed} requests to ${name} failed`)
  const cpuUsed = server ? processorSeconds(server) - cpuBefore : 0
  return {
    ...outcome,
    microseconds: (cpuUsed / (outcome.rate * elapsed)) * 1e6,
    megabytes: server ? residentMegabytes(server) : 0,
  }
}

export type Summary = Readonly<{
  /** Requests per second. */
  rate: Spread
  /** The first candidate's rate divided by this one's, computed per round. */
  ratio: Spread
  p50: number
  p99: number
  /** The server's CPU time per request. */
  microseconds: number
  megabytes: number
}>

const medianOf = (measurements: readonly Measurement[], value: (one: Measurement) => number): number =>
  spreadOf(measurements.map(value)).median

/**
 * Measures the candidates in rounds. Each round measures all of them one after the other and starts with a
 * different one, so that other load on the machine affects all alike. The first round is a warm-up and does
 * not count.
 */
export const compareCandidates = async (
  candidates: readonly Candidate[],
  rounds: number,
): Promise<Record<string, Summary>> => {
  const measurements = new Map(candidates.map(({ name }) => [name, [] as Measurement[]]))
  for (let round = -1; round < rounds; round++) {
    const first = (round + 1) % candidates.length
    for (const candidate of [...candidates.slice(first), ...candidates.slice(0, first)]) {
      const measurement = await measure(candidate)
      if (round >= 0) measurements.get(candidate.name)?.push(measurement)
    }
  }
  const ours = measurements.get(candidates[0]?.name ?? '') ?? []
  return Object.fromEntries(
    [...measurements].map(([name, own]) => [
      name,
      {
        rate: spreadOf(own.map(({ rate }) => rate)),
        ratio: spreadOf(own.map(({ rate }, round) => (ours[round]?.rate ?? Number.NaN) / rate)),
        p50: medianOf(own, ({ p50 }) => p50),
        p99: medianOf(own, ({ p99 }) => p99),
        microseconds: medianOf(own, ({ microseconds }) => microseconds),
        megabytes: Math.max(...own.map(({ megabytes }) => megabytes)),
      },
    ]),
  )
}
