import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, requireExisting, withoutLine } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { updateOnce } from '../update-once.ts'

export type RemoveItem = Readonly<{ userId: string; productId: number; expected: Expected<BasketState> }>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'update'> }> & Pick<Ports, 'clock'>

/** Rejects with `not_found` if the basket or the line does not exist, or with `stale_version` or `idempotency_key_reused`. */
export const removeItem =
  ({ baskets, clock }: Needs) =>
  (
    { userId, productId, expected }: RemoveItem,
    { idempotency }: Pick<Context, 'idempotency'>,
  ): Promise<Basket> =>
    updateOnce({ baskets, clock }, { userId, idempotency }, (stored) =>
      withoutLine(requireExisting(stored, expected), productId),
    )
