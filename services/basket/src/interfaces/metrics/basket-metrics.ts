import { decimalFromCents } from '@shop/kernel/money.ts'
import type { Figure, FigureSource } from '@shop/platform/figures.ts'
import type { UseCases } from '../../application/use-cases.ts'
import type { BasketFigures } from '../../domain/basket-figures.ts'

const gauge = (
  name: string,
  help: string,
  valueOf: (figures: BasketFigures) => number,
): Figure<BasketFigures> => ({
  name,
  help,
  type: 'gauge',
  labelNames: [],
  samples: (figures) => [[{}, valueOf(figures)]],
})

/** What Prometheus is told of the baskets. */
export const basketMetrics = (use: Pick<UseCases, 'basketFigures'>): FigureSource<BasketFigures> => ({
  name: 'baskets',
  read: use.basketFigures,
  figures: [
    gauge('shop_active_baskets', 'Baskets that have not expired', ({ baskets }) => baskets),
    gauge('shop_basket_items', 'Pieces in all active baskets', ({ items }) => items),
    gauge('shop_basket_value', 'What the pieces in all active baskets cost', ({ value }) =>
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
