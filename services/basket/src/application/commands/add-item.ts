import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, existingOrEmpty, newBasket, withMore } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { prepareAndUpdateOnce } from '../update-once.ts'

export type AddItem = Readonly<{
  userId: string
  productId: number
  quantity: number
  expected: Expected<BasketState>
}>

type Needs = Readonly<{
  baskets: Pick<Ports['baskets'], 'find' | 'mayRemember' | 'update'>
  catalog: Pick<Ports['catalog'], 'find'>
}> &
  Pick<Ports, 'clock' | 'newId'>

/**
 * Adds a product, and creates the basket if the user has none. A guest must have one: otherwise it rejects with `not_found`,
 * without asking the catalog. For that, an add of a guest takes one more read of the store, as does one with an idempotency key.
 * Rejects with `product_not_found`, `insufficient_stock`, `basket_full`, `stale_version` or `idempotency_key_reused` without
 * changing the basket. After `unavailable`, the write may or may not have been stored.
 */
export const addItem =
  ({ baskets, catalog, clock, newId }: Needs) =>
  (
    { userId, productId, quantity, expected }: AddItem,
    { idempotency }: Pick<Context, 'idempotency'>,
  ): Promise<Basket> =>
    prepareAndUpdateOnce({ baskets, clock }, { userId, idempotency }, async () => {
      const product = await catalog.find(productId)
      const empty = newBasket(userId, newId(), clock())
      return (stored) => withMore(existingOrEmpty(stored, empty, expected), product, quantity)
    })
