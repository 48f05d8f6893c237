import type { Expected } from '@shop/kernel/expectation.ts'
import {
  type Basket,
  type BasketState,
  requireExisting,
  withoutLine,
  withQuantity,
} from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { isGuestId } from '../../domain/user-id.ts'

export type SetQuantity = Readonly<{
  userId: string
  productId: number
  quantity: number
  expected: Expected<BasketState>
}>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'find' | 'update'> }> & Pick<Ports, 'catalog'>

/**
 * Sets the quantity of a line; 0 removes the line without a catalog look-up. Rejects with `not_found` if the
 * basket or the line does not exist, and with the errors of `addItem`. As there, the basket of a guest is asked for first.
 */
export const setQuantity =
  ({ baskets, catalog }: Needs) =>
  async ({ userId, productId, quantity, expected }: SetQuantity): Promise<Basket> => {
    if (quantity > 0 && isGuestId(userId)) requireExisting(await baskets.find(userId))
    const product = quantity === 0 ? undefined : await catalog.find(productId)
    return baskets.update(userId, (stored) => {
      const basket = requireExisting(stored, expected)
      return product === undefined ? withoutLine(basket, productId) : withQuantity(basket, product, quantity)
    })
  }
