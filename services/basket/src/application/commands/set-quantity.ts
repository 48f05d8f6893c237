import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import {
  type Basket,
  type BasketState,
  requireExisting,
  withoutLine,
  withQuantity,
} from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { prepareAndUpdateOnce, updateOnce } from '../update-once.ts'

export type SetQuantity = Readonly<{
  userId: string
  productId: number
  quantity: number
  expected: Expected<BasketState>
}>

type Needs = Readonly<{
  baskets: Pick<Ports['baskets'], 'find' | 'mayRemember' | 'update'>
  catalog: Pick<Ports['catalog'], 'find'>
}> &
  Pick<Ports, 'clock'>

/**
 * Sets the quantity of a line; 0 removes the line without a catalog look-up. Rejects with `not_found` if the
 * basket or the line does not exist, and with the errors of `addItem`. As there, the basket of a guest is asked for first.
 */
export const setQuantity =
  ({ baskets, catalog, clock }: Needs) =>
  (
    { userId, productId, quantity, expected }: SetQuantity,
    { idempotency }: Pick<Context, 'idempotency'>,
  ): Promise<Basket> => {
    const ports = { baskets, clock }
    const write = { userId, idempotency }
    if (quantity === 0)
      return updateOnce(ports, write, (stored) => withoutLine(requireExisting(stored, expected), productId))
    return prepareAndUpdateOnce(ports, write, async () => {
      const product = await catalog.find(productId)
      return (stored) => withQuantity(requireExisting(stored, expected), product, quantity)
    })
  }
