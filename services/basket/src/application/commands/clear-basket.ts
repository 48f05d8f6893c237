import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, requireExisting, withoutLines } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

export type ClearBasket = Readonly<{ userId: string; expected: Expected<BasketState> }>

/** Removes every line and keeps the basket. Rejects with `not_found` or `stale_version`. */
export const clearBasket =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'update'> }>) =>
  ({ userId, expected }: ClearBasket): Promise<Basket> =>
    baskets.update(userId, (stored) => withoutLines(requireExisting(stored, expected)))
