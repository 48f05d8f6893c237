import type { AppError } from '@shop/kernel/errors.ts'
import type { Client } from '../../limits/client.ts'
import type { Limits } from '../../limits/limits.ts'

type OpenCall = Readonly<{
  client: Client
  isHealthCheck: boolean
  /** When to end the call, by `performance.now()`. */
  endAt: number
  endOverdue: () => void
  evict: () => void
}>

/**
 * Health checks that are served although all calls are in use. A normal one ends within a millisecond. If this many are
 * open, the oldest is not a normal one.
 */
const reservedHealthChecks = 100

/**
 * The calls in progress of a server, from their start until their stream is closed: `limits.calls` bounds their number,
 * and `endAt` their time.
 */
export const createOpenCalls = (limits: Pick<Limits, 'calls' | 'refuse'>) => {
  const calls = new Set<OpenCall>()
  const healthChecks = new Set<OpenCall>()
  /** Refused and evicted calls, until their streams are closed. */
  const ending = new Set<OpenCall>()

  const reserve = (call: OpenCall): void => {
    const [oldest] = healthChecks
    if (oldest !== undefined && healthChecks.size >= reservedHealthChecks) {
      healthChecks.delete(oldest)
      ending.add(oldest)
      oldest.evict()
    }
    healthChecks.add(call)
  }

  return {
    /** Counts the call, or returns the error with which to refuse it. */
    add: (call: OpenCall): AppError | undefined => {
      const exceeded = limits.calls.take(call.client)
      if (exceeded === undefined) calls.add(call)
      else if (call.isHealthCheck) reserve(call)
      else return limits.refuse('calls', exceeded)
      return undefined
    },
    addRefused: (call: OpenCall): void => void ending.add(call),
    /** For any call that was added, when its stream is closed. */
    remove: (call: OpenCall): void => {
      if (calls.delete(call)) limits.calls.giveBack(call.client)
      else if (!healthChecks.delete(call)) ending.delete(call)
    },
    /** Ends the calls whose time is up. */
    endOverdue: (): void => {
      const now = performance.now()
      for (const open of [calls, healthChecks, ending])
        for (const call of open) if (call.endAt <= now) call.endOverdue()
    },
  }
}

export type OpenCalls = ReturnType<typeof createOpenCalls>
