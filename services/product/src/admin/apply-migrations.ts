import { setTimeout as delay } from 'node:timers/promises'
import { backoff } from '@shop/platform/resilience/backoff.ts'
import { isContended } from '@shop/postgres/errors.ts'
import { blockersOf } from '@shop/postgres/migrations/blockers.ts'
import { migrations } from '../infrastructure/migrations.ts'
import type { Database } from '../infrastructure/products-table.ts'
import { print } from './catalog.ts'

const retryMs = { first: 250, last: 5_000 }
const reminderMs = 10_000

const printBlockers = async (database: Database): Promise<void> => {
  const sessions = (await blockersOf(database)) ?? []
  print(
    ['A migration runs, or waits for a lock. Ctrl-C stops it. Sessions it may wait for:', ...sessions].join(
      '\n  ',
    ),
  )
}

/**
 * Applies the pending migrations and resolves with their names. Waits without limit for locks of other transactions and
 * for other processes that migrate, and prints which they may be, at once after a lock and then every ten seconds.
 */
export const applyMigrations = async (database: Database): Promise<string[]> => {
  const reminder = setInterval(() => void printBlockers(database), reminderMs)
  try {
    for (let failed = 0; ; failed++)
      try {
        return await migrations.apply(database)
      } catch (error) {
        if (!isContended(error)) throw error
        if (failed === 0) await printBlockers(database)
        await delay(backoff(failed, retryMs))
      }
  } finally {
    clearInterval(reminder)
  }
}
