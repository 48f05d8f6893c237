import { type Clock, systemClock } from '@shop/kernel/clock.ts'
import type { Sqlite } from '@shop/platform/embedded/sqlite.ts'
import type { BasketExpiry } from '../../domain/basket-expiry.ts'
import { readableBaskets } from '../basket-record.ts'

/** The maximum number of baskets per batch. Larger batches would block the event loop for longer. */
const batchSize = 500

/** Removes expired baskets from the file. `removed` returns how many this process has removed. */
export const sqliteBasketExpiry = (
  sqlite: Sqlite,
  clock: Clock = systemClock,
): BasketExpiry & Readonly<{ removed: () => number }> => {
  let removed = 0
  return {
    removed: () => removed,
    removeExpired: async () => {
      const records = sqlite
        .prepare(
          'delete from baskets where user_id in (select user_id from baskets where expires_at <= ? order by expires_at limit ?) returning record',
        )
        .all(clock().getTime(), batchSize)
        .map(({ record }) => String(record))
      removed += records.length
      return readableBaskets(records)
    },
  }
}
