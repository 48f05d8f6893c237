import { setTimeout as delay } from 'node:timers/promises'

/** Repeats `check` until it passes; after `ms` it fails as the check did last. */
export const eventually = async <Result>(ms: number, check: () => Promise<Result>): Promise<Result> => {
  const giveUp = performance.now() + ms
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > giveUp) throw error
    }
    await delay(20)
  }
}
