import type { Basket } from './basket.ts'

/** The domain events of a basket. */
export type BasketEvent = Readonly<{ type: 'basket_expired'; basketId: string; lines: number }>

/** Creates the event for a basket that was removed because its time to live ended. */
export const basketExpired = ({ id, lines }: Pick<Basket, 'id' | 'lines'>): BasketEvent => ({
  type: 'basket_expired',
  basketId: id,
  lines: lines.length,
})
