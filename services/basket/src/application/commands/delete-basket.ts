import { existing, type Precondition } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

export type DeleteBasket = Readonly<{ userId: string; precondition: Precondition }>

/** Rejects with `not_found` or `stale_version`. */
export const deleteBasket =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'update'> }>) =>
  async ({ userId, precondition }: DeleteBasket): Promise<void> => {
    await baskets.update(userId, (stored) => {
      precondition(existing(stored))
      return undefined
    })
  }
