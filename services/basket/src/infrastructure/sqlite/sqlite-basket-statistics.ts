import { type Clock, systemClock } from '@shop/kernel/clock.ts'
import type { Sqlite } from '@shop/platform/embedded/sqlite.ts'
import type { BasketStatisticsReader } from '../../domain/basket-statistics.ts'
import { estimate } from '../basket-estimate.ts'
import { readableBaskets } from '../basket-record.ts'

/** At most this many baskets are read. If there are more, the statistics are estimated from these. */
const sampleSize = 500

/** Statistics of the baskets in the file. `expired` returns how many this process has removed. */
export const sqliteBasketStatistics = (
  sqlite: Sqlite,
  expired: () => number,
  clock: Clock = systemClock,
): BasketStatisticsReader => {
  const count = sqlite.prepare('select count(*) as baskets from baskets where expires_at > ?')
  const selectSample = sqlite.prepare('select record from baskets where expires_at > ? limit ?')
  return {
    read: async () => {
      const now = clock().getTime()
      const baskets = Number(count.get(now)?.['baskets'])
      const sample = readableBaskets(selectSample.all(now, sampleSize).map(({ record }) => String(record)))
      const scale = Math.max(1, baskets / sampleSize)
      return { ...estimate(sample, scale), expired: expired() }
    },
  }
}
