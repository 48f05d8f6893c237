import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from './random.ts'

/** Something that goes wrong, for a bounded time. When `run` resolves, it is over. */
export type Fault = Readonly<{ kind: string; run: (random: Random) => Promise<void> }>

type Options = Readonly<{
  random: Random
  /** The pause between two faults, in milliseconds. */
  pauseMs: readonly [number, number]
  count: (kind: string) => void
}>

/** Runs one fault after the other, in random order, until it is stopped, and at least one. Stopping it waits for the end of the last one. */
export const startFaults = (faults: readonly Fault[], { random, pauseMs: [low, high], count }: Options) => {
  const stopping = new AbortController()
  const run = async () => {
    do {
      await delay(random.between(low, high), undefined, { signal: stopping.signal }).catch(() => {})
      const fault = random.pick(faults)
      count(fault.kind)
      await fault.run(random)
    } while (!stopping.signal.aborted)
  }
  const done = faults.length === 0 ? Promise.resolve() : run()
  // Whoever stops the faults gets the error.
  done.catch(() => {})
  return {
    stop: (): Promise<void> => {
      stopping.abort()
      return done
    },
  }
}
