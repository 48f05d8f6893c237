import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, newBasket, requireExpected, withMore } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'

export type AddItem = Readonly<{
  userId: string
  productId: number
  quantity: number
  expected: Expected<BasketState>
}>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'update'> }> &
  Pick<Ports, 'catalog' | 'clock' | 'newId'>

/**
 * Adds a product, and creates the basket if the user has none. Rejects with `product_not_found`,
 * `insufficient_stock`, `basket_full` or `stale_version` without changing the basket. After `unavailable`,
 * the write may or may not have been stored.
 */
export const addItem =
  ({ baskets, catalog, clock, newId }: Needs) =>
  async ({ userId, productId, quantity, expected }: AddItem): Promise<Basket> => {
    const product = await catalog.find(productId)
    const empty = newBasket(userId, newId(), clock())
    return baskets.update(userId, (stored) => {
      requireExpected(stored, expected)
      return withMore(stored ?? empty, product, quantity)
    })
  }
