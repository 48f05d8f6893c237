import { type Basket, clearItems, existing, type Precondition } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

export type ClearBasket = Readonly<{ userId: string; precondition: Precondition }>

/** Takes every line out and keeps the basket. Rejects with `not_found` or `stale_version`. */
export const clearBasket =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'update'> }>) =>
  ({ userId, precondition }: ClearBasket): Promise<Basket> =>
    baskets.update(userId, (stored) => {
      const basket = existing(stored)
      precondition(basket)
      return clearItems(basket)
    })
