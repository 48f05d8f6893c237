import { systemContext } from '@shop/kernel/context.ts'
import { decimalFromCents } from '@shop/kernel/money.ts'
import type { SampledMetric, SampleSource } from '@shop/platform/metrics/business-metrics.ts'
import type { UseCases } from '../../application/use-cases.ts'
import type { BasketStatistics } from '../../domain/basket-statistics.ts'

const gauge = (
  name: string,
  help: string,
  valueOf: (statistics: BasketStatistics) => number,
): SampledMetric<BasketStatistics> => ({
  name,
  help,
  type: 'gauge',
  labelNames: [],
  samples: (statistics) => [[{}, valueOf(statistics)]],
})

/** Prometheus metrics of all baskets. */
export const basketMetrics = (use: Pick<UseCases, 'basketStatistics'>): SampleSource<BasketStatistics> => ({
  name: 'baskets',
  read: () => use.basketStatistics({}, systemContext('basket-statistics')),
  metrics: [
    gauge('shop_active_baskets', 'Baskets that have not expired', ({ baskets }) => baskets),
    gauge('shop_basket_items', 'Pieces in all active baskets', ({ pieces }) => pieces),
    gauge('shop_basket_value', 'Total price of the pieces in all active baskets', ({ value }) =>
      decimalFromCents(value),
    ),
    {
      ...gauge(
        'shop_baskets_expired_total',
        'Baskets that the store has removed because they expired',
        ({ expired }) => expired,
      ),
      type: 'counter',
    },
  ],
})
