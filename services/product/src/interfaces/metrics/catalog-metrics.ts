import { systemContext } from '@shop/kernel/context.ts'
import { decimalFromCents } from '@shop/kernel/money.ts'
import type { SampleSource } from '@shop/platform/metrics/business-metrics.ts'
import type { CatalogStatistics } from '../../application/queries/catalog-statistics.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { stockBands } from '../../domain/product-statistics.ts'

/** What Prometheus is told of the catalog. */
export const catalogMetrics = (
  use: Pick<UseCases, 'catalogStatistics'>,
): SampleSource<CatalogStatistics> => ({
  name: 'catalog',
  read: () => use.catalogStatistics({}, systemContext('catalog-statistics')),
  metrics: [
    {
      name: 'shop_products',
      help: 'Products by stock: out (none left), low (at most ten pieces), ok (more)',
      type: 'gauge',
      labelNames: ['stock_band'],
      samples: ({ products }) => stockBands.map((band) => [{ stock_band: band }, products[band]]),
    },
    {
      name: 'shop_inventory_value',
      help: 'Price times stock, summed over the products of a category: the twenty largest, and other',
      type: 'gauge',
      labelNames: ['category'],
      samples: ({ largest, others }) => [
        ...largest.map(
          ({ category, value }) => [{ category: category || 'none' }, decimalFromCents(value)] as const,
        ),
        // A category of this name, as one called none, is added to it.
        [{ category: 'other' }, decimalFromCents(others)],
      ],
    },
  ],
})
