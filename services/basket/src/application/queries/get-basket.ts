import { type Basket, requireExisting } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

/** Rejects with `not_found`. */
export const getBasket =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'find'> }>) =>
  async ({ userId }: Readonly<{ userId: string }>): Promise<Basket> =>
    requireExisting(await baskets.find(userId))
