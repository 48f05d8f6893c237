import { unlessInterrupted } from './interrupt.ts'
import { drive, type HttpRequest, type Outcome } from './load.ts'
import { processorSeconds, residentMegabytes, type Server } from './process.ts'
import { type Spread, spreadOf } from './report.ts'

/** One of those who are compared: does the same work as the others for a while, and tells how much of it was done. */
export type Contestant = Readonly<{
  name: string
  /** Whose processor time and memory count as the contestant's. */
  server?: Server
  run: () => Promise<Outcome>
}>

export const httpContestant = (
  name: string,
  server: Server,
  load: Readonly<{ requests: readonly HttpRequest[]; connections: number; seconds: number }>,
  prepare?: () => Promise<void>,
): Contestant => ({
  name,
  server,
  run: async () => {
    await prepare?.()
    return drive({ url: server.url, ...load })
  },
})

type Turn = Outcome & Readonly<{ microseconds: number; megabytes: number }>

const takeTurn = async ({ name, server, run }: Contestant): Promise<Turn> => {
  unlessInterrupted()
  const before = server ? processorSeconds(server) : 0
  const began = performance.now()
  const outcome = await run()
  const took = (performance.now() - began) / 1_000
  if (outcome.failed > 0) throw new Error(`${outcome.failed} requests to ${name} failed`)
  const used = server ? processorSeconds(server) - before : 0
  return {
    ...outcome,
    microseconds: (used / (outcome.rate * took)) * 1e6,
    megabytes: server ? residentMegabytes(server) : 0,
  }
}

export type Standing = Readonly<{
  /** Requests a second. */
  rate: Spread
  /** Of the first contestant's rate to this one's, of each round. */
  ratio: Spread
  p50: number
  p99: number
  /** Processor time of the server for a request. */
  microseconds: number
  megabytes: number
}>

const middle = (turns: readonly Turn[], value: (turn: Turn) => number): number =>
  spreadOf(turns.map(value)).median

/**
 * Everyone's turns, one after the other in every round, each first in some round, so that what else the machine does
 * befalls all. The round before the first warms up.
 */
export const contest = async (
  contestants: readonly Contestant[],
  rounds: number,
): Promise<Record<string, Standing>> => {
  const turns = new Map(contestants.map(({ name }) => [name, [] as Turn[]]))
  for (let round = -1; round < rounds; round++) {
    const first = (round + 1) % contestants.length
    for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      const turn = await takeTurn(contestant)
      if (round >= 0) turns.get(contestant.name)?.push(turn)
    }
  }
  const ours = turns.get(contestants[0]?.name ?? '') ?? []
  return Object.fromEntries(
    [...turns].map(([name, own]) => [
      name,
      {
        rate: spreadOf(own.map(({ rate }) => rate)),
        ratio: spreadOf(own.map(({ rate }, round) => (ours[round]?.rate ?? Number.NaN) / rate)),
        p50: middle(own, ({ p50 }) => p50),
        p99: middle(own, ({ p99 }) => p99),
        microseconds: middle(own, ({ microseconds }) => microseconds),
        megabytes: Math.max(...own.map(({ megabytes }) => megabytes)),
      },
    ]),
  )
}
