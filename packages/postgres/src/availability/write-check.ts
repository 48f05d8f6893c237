import { AppError } from '@shop/kernel/errors.ts'
import { type AsyncFunctions, decorate } from '@shop/platform/decorate.ts'
import { hasSqlState, schemaRefusal } from '../errors.ts'

/** SQLSTATEs of a server that serves reads but refuses writes. */
const readOnly = '25006'
const diskFull = '53100'

/** A refused write of a request is forgotten after this time, because the next write may be long in coming. */
const memoryMs = 60_000

/** The reason why the server refused a write of a request, if waiting for a lock or a connection is not the cause. */
const reasonOf = (error: unknown): string | undefined => {
  if (error instanceof AppError && error.kind !== 'unavailable') return undefined
  const cause = error instanceof AppError ? error.cause : error
  return hasSqlState(cause, diskFull) ? 'its disk is full' : schemaRefusal(cause)
}

/**
 * Checks whether the server accepts writes. `attempt` sends a write that changes nothing. A full disk refuses only
 * writes that need space, and a changed schema only those that store a row, so the check also observes the writes of requests.
 */
export const createWriteCheck = (attempt: (signal: AbortSignal) => Promise<unknown>) => {
  let observed: Readonly<{ reason: string; until: number }> | undefined

  /** Returns the same writes. Their outcomes are observed. */
  const observe = <Writes extends AsyncFunctions>(writes: Writes): Writes =>
    decorate(writes, async (_name, write) => {
      try {
        const result = await write()
        observed = undefined
        return result
      } catch (error) {
        const reason = reasonOf(error)
        if (reason !== undefined) observed = { reason, until: performance.now() + memoryMs }
        throw error
      }
    })

  const refusal = async (signal: AbortSignal): Promise<string | undefined> => {
    try {
      await attempt(signal)
    } catch (error) {
      if (!hasSqlState(error, readOnly)) throw error
      return 'it is read-only: a standby, or default_transaction_read_only is on'
    }
    return observed !== undefined && performance.now() < observed.until ? observed.reason : undefined
  }

  /** Rejects with the reason if the server refuses writes. */
  const probe = async (signal: AbortSignal): Promise<void> => {
    const reason = await refusal(signal)
    if (reason !== undefined) throw new AppError('unavailable', `PostgreSQL refuses writes: ${reason}`)
  }
  return { observe, probe }
}
