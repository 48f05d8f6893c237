import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, existingOrEmpty, newBasket } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import type { ProductsById } from '../../domain/product-catalog.ts'
import { type LineQuantity, withQuantities } from '../../domain/several-lines.ts'
import { prepareAndUpdateOnce, updateOnce } from '../update-once.ts'

export type SetQuantities = Readonly<{
  userId: string
  /** At least one, of distinct products. */
  quantities: readonly LineQuantity[]
  expected: Expected<BasketState>
}>

type Needs = Readonly<{
  baskets: Pick<Ports['baskets'], 'find' | 'mayRemember' | 'update'>
  catalog: Pick<Ports['catalog'], 'findMany'>
}> &
  Pick<Ports, 'clock' | 'newId'>

/**
 * Sets the quantities of several products by one write, or of none of them. Creates the basket and the lines that do not exist; 0
 * removes a line, if there is one, without a catalog look-up. Rejects as `addItems` does.
 */
export const setQuantities =
  ({ baskets, catalog, clock, newId }: Needs) =>
  (
    { userId, quantities, expected }: SetQuantities,
    { idempotency }: Pick<Context, 'idempotency'>,
  ): Promise<Basket> => {
    const ports = { baskets, clock }
    const write = { userId, idempotency }
    const empty = newBasket(userId, newId(), clock())
    const changeWith = (products: ProductsById) => (stored: Basket | undefined) =>
      withQuantities(existingOrEmpty(stored, empty, expected), quantities, products)
    const present = quantities.filter(({ quantity }) => quantity > 0)
    if (present.length === 0) return updateOnce(ports, write, changeWith(new Map()))
    return prepareAndUpdateOnce(ports, write, async () =>
      changeWith(await catalog.findMany(present.map(({ productId }) => productId))),
    )
  }
