import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Recorder, runClient } from './clients.ts'
import type { Counts } from './counts.ts'
import { type Fault, startFaults } from './faults.ts'
import { createJudge } from './judge.ts'
import { randomFrom } from './random.ts'
import type { Shop } from './shop.ts'
import { openDoor } from './wire.ts'

export type Form = Readonly<{
  seed: number
  /** How many baskets there are in a round, and how many clients each of them has. */
  baskets: number
  clients: number
  /** The requests of each client in a round, without those that it repeats. */
  requests: number
  /** The longest pause of a client between two requests, in milliseconds. */
  pauseMs: number
  /** The pause between two faults, in milliseconds. Without it, there are none. */
  faultPauseMs?: readonly [number, number]
  /** Faults of other kinds do not happen. */
  faultKinds?: RegExp
}>

const finalClient = 999
const finalAttempts = 200
const finalWrites = 5

/** Makes a last write, which tells which state has survived, and reads the basket through each process. */
const readAtLast = async (recorder: Recorder, { urls, products }: Shop): Promise<void> => {
  const productId = products[0]?.id ?? 0
  const requests = [
    { kind: 'add', productId, quantity: 1 } as const,
    ...urls.map(() => ({ kind: 'get' }) as const),
  ]
  for (const [index, request] of requests.entries()) {
    using door = openDoor(urls[index % urls.length] ?? '')
    for (let attempt = 1; ; attempt++) {
      const input = attempt > finalWrites ? ({ kind: 'get' } as const) : request
      if (typeof (await recorder.send(door, finalClient, input)) === 'object') break
      assert.ok(attempt < finalAttempts, 'the service does not recover after the faults')
      await delay(100)
    }
  }
}

/** Starts the clients of one basket. Resolves when all of them are done. */
const runClients = async (shop: Shop, form: Form, recorder: Recorder, seed: number, counts: Counts) => {
  const { urls, products } = shop
  const { requests, pauseMs } = form
  const common = { recorder, counts, urls, products, requests, pauseMs }
  await Promise.all(
    Array.from({ length: form.clients }, (_, client) =>
      runClient({ ...common, client, seed: seed + client }),
    ),
  )
}

const startAllFaults = ({ faults }: Shop, form: Form, seed: number, counts: Counts) => {
  const { faultPauseMs, faultKinds = /./ } = form
  const count = (kind: string) => counts.add(`fault: ${kind}`)
  const chosen = (all: readonly Fault[]) => all.filter(({ kind }) => faultKinds.test(kind))
  const groups = faultPauseMs === undefined ? [] : [chosen(faults.services), chosen(faults.store)]
  const running = groups.map((group, index) =>
    startFaults(group, { random: randomFrom(seed + index), pauseMs: faultPauseMs ?? [0, 0], count }),
  )
  return { stop: () => Promise.all(running.map(({ stop }) => stop())) }
}

/** Runs the clients of new baskets, and returns their histories. */
const runRound = async (shop: Shop, form: Form, seed: number, counts: Counts): Promise<Recorder[]> => {
  const recorders = Array.from(
    { length: form.baskets },
    (_, basket) => new Recorder(`history-${process.pid}-${seed}-${basket}`, counts),
  )
  const faults = startAllFaults(shop, form, seed, counts)
  try {
    const running = recorders.map((recorder, basket) =>
      runClients(shop, form, recorder, seed + basket * 101, counts),
    )
    await Promise.all(running)
  } finally {
    await faults.stop()
  }
  await Promise.all(recorders.map((recorder) => readAtLast(recorder, shop)))
  counts.add('rounds')
  return recorders
}

/**
 * Runs rounds, each with new baskets, while `goesOn` says so, and checks the history of each basket. Throws with the shortest history
 * that cannot be, if there is one.
 */
export const runRounds = async (
  shop: Shop,
  formOf: (round: number) => Form,
  counts: Counts,
  goesOn: (round: number) => boolean,
): Promise<void> => {
  const judge = createJudge(shop, counts)
  for (let round = 0; goesOn(round); round++) {
    const failoversBefore = shop.failovers()
    const form = formOf(round)
    const recorders = await runRound(shop, form, form.seed + round * 1_000_003, counts)
    const hadFailover = shop.failovers() > failoversBefore
    for (const recorder of recorders) judge(recorder, hadFailover)
  }
}
