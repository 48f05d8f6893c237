import { decimalFromCents } from '@shop/kernel/money.ts'
import type { FigureSource } from '@shop/platform/figures.ts'
import type { CatalogueFigures } from '../../application/queries/catalogue-figures.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { stockBands } from '../../domain/product-figures.ts'

/** What Prometheus is told of the catalogue. */
export const catalogueMetrics = (
  use: Pick<UseCases, 'catalogueFigures'>,
): FigureSource<CatalogueFigures> => ({
  name: 'catalogue',
  read: use.catalogueFigures,
  figures: [
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
