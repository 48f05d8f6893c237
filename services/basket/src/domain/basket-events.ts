import type { Basket } from './basket.ts'

/** What can happen to a basket. */
export type BasketEvent = Readonly<{ type: 'basket_expired'; basketId: string; lines: number }>

/** What happens when a basket is removed because nobody has written to it for so long. */
export const basketExpired = ({ id, lines }: Pick<Basket, 'id' | 'lines'>): BasketEvent => ({
  type: 'basket_expired',
  basketId: id,
  lines: lines.length,
})
