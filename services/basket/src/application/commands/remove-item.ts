import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, requireExisting, withoutLine } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

export type RemoveItem = Readonly<{ userId: string; productId: number; expected: Expected<BasketState> }>

/** Rejects with `not_found` if the basket or the line does not exist, or with `stale_version`. */
export const removeItem =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'update'> }>) =>
  ({ userId, productId, expected }: RemoveItem): Promise<Basket> =>
    baskets.update(userId, (stored) => withoutLine(requireExisting(stored, expected), productId))
