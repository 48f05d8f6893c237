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

/** Servers are numbered: their addresses are nobody's business. */
const memory = (
  name: string,
  help: string,
  valueOf: (server: BasketFigures['memory'][number]) => number,
): Figure<BasketFigures> => ({
  name,
  help,
  type: 'gauge',
  labelNames: ['server'],
  samples: (figures) =>
    figures.memory.map((server, index) => [{ server: String(index + 1) }, valueOf(server)] as const),
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
    memory('redis_memory_used_bytes', 'Memory in use by a Redis server', ({ used }) => used),
    memory('redis_memory_max_bytes', 'Memory that a Redis server may use; 0 for no limit', ({ max }) => max),
  ],
})
