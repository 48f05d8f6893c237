import { mock } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import type { RatePolicy, SharedUsage } from '../../src/limits/rates/policy.ts'
import { RateLimit } from '../../src/limits/rates/rate-limit.ts'
import { StoreState } from '../../src/limits/rates/store-state.ts'

type Window = { used: number; endsAt: number }

/** A store of the usage of one policy, several processes that share it, and their clock. Timers are those of the mock. */
export const simulateRates = (
  policy: RatePolicy,
  { instances = 1, processes = 1 }: Readonly<{ instances?: number; processes?: number }> = {},
) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const windows = new Map<string, Window>()
  let time = 0
  const store = {
    commands: 0,
    latencyMs: 0,
    state: 'up' as 'up' | 'failing' | 'hung',
    /** Ends the last command of a hung store. */
    fail: undefined as ((error: Error) => void) | undefined,
    onCommand: undefined as (() => void) | undefined,
  }
  const later = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))
  const shared: SharedUsage = {
    add: async (identity, points) => {
      store.commands += 1
      store.onCommand?.()
      if (store.state === 'failing') throw new Error('connection refused')
      if (store.state === 'hung')
        await new Promise((_resolve, reject) => {
          store.fail = reject
        })
      if (store.latencyMs > 0) await later(store.latencyMs / 2)
      const known = windows.get(identity)
      const window =
        known !== undefined && known.endsAt > time
          ? known
          : { used: 0, endsAt: time + policy.windowSeconds * 1_000 }
      windows.set(identity, window)
      window.used += points
      const usage = { used: window.used, resetMs: window.endsAt - time }
      if (store.latencyMs > 0) await later(store.latencyMs / 2)
      return usage
    },
  }
  const events: string[] = []
  const open = () => {
    const state = new StoreState({
      onAway: (error) => events.push(`away: ${error instanceof Error ? error.message : ''}`),
      onReturn: () => events.push('back'),
    })
    return new RateLimit({ policy, processes, shared, store: state, now: () => time })
  }
  return {
    limits: Array.from({ length: instances * processes }, open),
    store,
    events,
    usedInStore: (identity: string) => windows.get(identity)?.used ?? 0,
    /** Lets this time pass. Timers fire on the way, and what they settle is handled. */
    pass: async (ms: number) => {
      for (let left = ms; left > 0; left -= 5) {
        const step = Math.min(5, left)
        time += step
        mock.timers.tick(step)
        await tick()
      }
      await tick()
    },
    [Symbol.dispose]: () => mock.timers.reset(),
  }
}
