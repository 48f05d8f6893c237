import { type Basket, existing, type Precondition, removeItem as removed } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

export type RemoveItem = Readonly<{ userId: string; productId: number; precondition: Precondition }>

/** Rejects with `not_found` for a basket or line that is not there, or with `stale_version`. */
export const removeItem =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'update'> }>) =>
  ({ userId, productId, precondition }: RemoveItem): Promise<Basket> =>
    baskets.update(userId, (stored) => {
      const basket = existing(stored)
      precondition(basket)
      return removed(basket, productId)
    })
