import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, existingOrEmpty, newBasket } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { type LineQuantity, withMoreOfEach } from '../../domain/several-lines.ts'
import { prepareAndUpdateOnce } from '../update-once.ts'

export type AddItems = Readonly<{
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
 * Adds several products by one write, or none of them. The same as `addItem` otherwise: if lines are refused, rejects with the error
 * of the first one, with the refusals of all.
 */
export const addItems =
  ({ baskets, catalog, clock, newId }: Needs) =>
  (
    { userId, quantities, expected }: AddItems,
    { idempotency }: Pick<Context, 'idempotency'>,
  ): Promise<Basket> =>
    prepareAndUpdateOnce({ baskets, clock }, { userId, idempotency }, async () => {
      const products = await catalog.findMany(quantities.map(({ productId }) => productId))
      const empty = newBasket(userId, newId(), clock())
      return (stored) => withMoreOfEach(existingOrEmpty(stored, empty, expected), quantities, products)
    })
