import { AsyncLocalStorage } from 'node:async_hooks'
import { RateLimit } from '../limits/rates/rate-limit.ts'

/** So many lines of one caller in a minute are written. */
const policy = { name: 'audit_lines', quota: 100, windowSeconds: 60 }

/** Lines that were left out. */
export type LeftOut = Readonly<{ useCase: string; outcome: string; count: number }>

type Options = Readonly<{
  /** Called once a minute for each use case and outcome of which lines were left out. */
  report: (leftOut: LeftOut) => void
  now?: () => number
}>

/**
 * Decides which lines about nothing are written, so that a caller who repeats what he may not do cannot fill the disk: of
 * each caller the first 100 in a minute. The others are counted.
 */
export const refusalSamples = ({ report, now }: Options) => {
  const limit = new RateLimit({ policy, processes: 1, ...(now && { now }) })
  const counts = new Map<string, { useCase: string; outcome: string; count: number }>()
  let timer: NodeJS.Timeout | undefined

  const reportAll = AsyncLocalStorage.bind(() => {
    for (const leftOut of counts.values()) report(leftOut)
    counts.clear()
    clearTimeout(timer)
    timer = undefined
  })

  return {
    /** Whether the line is to be written. Counts it if not. */
    admits: (caller: string, useCase: string, outcome: string): boolean => {
      // Without a store that is shared, there is no promise.
      const decision = limit.take(`${outcome} ${caller}`)
      if (decision instanceof Promise || decision.isAllowed) return true
      const key = `${outcome} ${useCase}`
      const known = counts.get(key)
      if (known === undefined) counts.set(key, { useCase, outcome, count: 1 })
      else known.count += 1
      timer ??= setTimeout(reportAll, policy.windowSeconds * 1_000).unref()
      return false
    },
    /** Reports what was counted so far. */
    close: (): void => reportAll(),
  }
}
