import type { Expected } from '@shop/kernel/expectation.ts'
import { type BasketState, requireExisting } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

export type DeleteBasket = Readonly<{ userId: string; expected: Expected<BasketState> }>

/** Rejects with `not_found` or `stale_version`. */
export const deleteBasket =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'update'> }>) =>
  ({ userId, expected }: DeleteBasket): Promise<void> =>
    baskets.update(userId, (stored) => {
      requireExisting(stored, expected)
      return undefined
    })
