import { setTimeout as delay } from 'node:timers/promises'

/** Repeats `check` until it passes. After `ms` it rejects with the error of the last check. */
export const eventually = async <Result>(ms: number, check: () => Promise<Result>): Promise<Result> => {
  const deadline = performance.now() + ms
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await delay(20)
  }
}
