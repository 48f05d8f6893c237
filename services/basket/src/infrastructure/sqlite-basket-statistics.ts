import { type Clock, systemClock } from '@shop/kernel/clock.ts'
import type { Sqlite } from '@shop/platform/embedded/sqlite.ts'
import type { BasketStatisticsReader } from '../domain/basket-statistics.ts'
import { estimate } from './basket-estimate.ts'
import { readableBaskets } from './basket-record.ts'

/** So many baskets are read; when there are more, these stand for the others. */
const sampleSize = 500

/** Statistics of the baskets in the file. `expired` tells how many this process has removed. */
export const sqliteBasketStatistics = (
  sqlite: Sqlite,
  expired: () => number,
  clock: Clock = systemClock,
): BasketStatisticsReader => {
  const count = sqlite.prepare('select count(*) as baskets from baskets where expires_at > ?')
  const some = sqlite.prepare('select record from baskets where expires_at > ? limit ?')
  return {
    read: async () => {
      const now = clock().getTime()
      const baskets = Number(count.get(now)?.['baskets'])
      const sample = readableBaskets(some.all(now, sampleSize).map(({ record }) => String(record)))
      const scale = Math.max(1, baskets / sampleSize)
      return { ...estimate(sample, scale), expired: expired() }
    },
  }
}
