import type { Expected } from '@shop/kernel/expectation.ts'
import {
  type Basket,
  type BasketState,
  existingOrEmpty,
  newBasket,
  requireExisting,
  withMore,
} from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { isGuestId } from '../../domain/user-id.ts'

export type AddItem = Readonly<{
  userId: string
  productId: number
  quantity: number
  expected: Expected<BasketState>
}>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'find' | 'update'> }> &
  Pick<Ports, 'catalog' | 'clock' | 'newId'>

/**
 * Adds a product, and creates the basket if the user has none. A guest must have one: otherwise it rejects with `not_found`,
 * without asking the catalog. For that, an add of a guest takes one more read of the store. Rejects with `product_not_found`,
 * `insufficient_stock`, `basket_full` or `stale_version` without changing the basket. After `unavailable`, the write may or may
 * not have been stored.
 */
export const addItem =
  ({ baskets, catalog, clock, newId }: Needs) =>
  async ({ userId, productId, quantity, expected }: AddItem): Promise<Basket> => {
    if (isGuestId(userId)) requireExisting(await baskets.find(userId))
    const product = await catalog.find(productId)
    const empty = newBasket(userId, newId(), clock())
    return baskets.update(userId, (stored) =>
      withMore(existingOrEmpty(stored, empty, expected), product, quantity),
    )
  }
