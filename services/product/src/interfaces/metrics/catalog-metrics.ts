import { systemContext } from '@shop/kernel/context.ts'
import { decimalFromCents } from '@shop/kernel/money.ts'
import type { SampleSource } from '@shop/platform/metrics/business-metrics.ts'
import type { CatalogStatistics } from '../../application/queries/catalog-statistics.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { stockBands } from '../../domain/product-statistics.ts'

/** The Prometheus metrics of the catalog. */
export const catalogMetrics = (
  use: Pick<UseCases, 'catalogStatistics'>,
): SampleSource<CatalogStatistics> => ({
  name: 'catalog',
  read: () => use.catalogStatistics({}, systemContext('catalog-statistics')),
  metrics: [
    {
      name: 'shop_products',
      help: 'Number of products by stock: out (no pieces), low (1 to 10), ok (more)',
      type: 'gauge',
      labelNames: ['stock_band'],
      samples: ({ products }) => stockBands.map((band) => [{ stock_band: band }, products[band]]),
    },
    {
      name: 'shop_product_ids_used_ratio',
      help: 'Share of all possible product ids that are used, from 0 to 1',
      type: 'gauge',
      labelNames: [],
      samples: ({ usedIdsRatio }) => [[{}, usedIdsRatio]],
    },
    {
      name: 'shop_inventory_value',
      help: 'Price times stock, summed by category: the twenty largest, and the rest as other',
      type: 'gauge',
      labelNames: ['category'],
      samples: ({ topCategories, others }) => [
        ...topCategories.map(
          ({ category, value }) => [{ category: category || 'none' }, decimalFromCents(value)] as const,
        ),
        // A category named `other` is added to this sample, and one named `none` to that of the empty
        // category.
        [{ category: 'other' }, decimalFromCents(others)],
      ],
    },
  ],
})
