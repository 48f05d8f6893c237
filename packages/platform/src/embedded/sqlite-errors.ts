import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { type AsyncFunctions, decorate } from '../decorate.ts'
import { backoff } from '../resilience/backoff.ts'
import { isBusy, isDamaged, isMissingTable, isUnusable } from './sqlite.ts'

type Messages = Readonly<{
  /** Another connection held the lock for longer than the timeout. */
  busy: string
  /** The disk is full or fails, memory or rights are missing, or the file is damaged or has no tables. */
  unusable: string
}>

/** Returns the adapter with these errors mapped to `unavailable` errors that have the original one as cause. */
export const mapSqliteErrors = <Adapter extends AsyncFunctions>(
  adapter: Adapter,
  { busy, unusable }: Messages,
): Adapter =>
  decorate(adapter, async (_name, call) => {
    try {
      return await call()
    } catch (error) {
      if (isBusy(error)) throw new AppError('unavailable', busy, { cause: error })
      if (isUnusable(error) || isDamaged(error) || isMissingTable(error))
        throw new AppError('unavailable', unusable, { cause: error })
      throw error
    }
  })

/** How long a call waits for the lock of another process, in milliseconds. */
const lockTimeoutMs = 5_000

/**
 * Returns the adapter with calls that are repeated while another process holds the lock. SQLite itself would block the
 * event loop meanwhile, so its connection must not wait: see `stopWaiting`.
 */
export const waitForLock = <Adapter extends AsyncFunctions>(adapter: Adapter): Adapter =>
  decorate(adapter, async (_name, call) => {
    const deadline = performance.now() + lockTimeoutMs
    for (let failed = 0; ; failed++)
      try {
        return await call()
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw error
        await delay(backoff(failed, { first: 1, last: 20, jitter: 0.5 }))
      }
  })
