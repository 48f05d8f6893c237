import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, requireExisting, withoutLines } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { updateOnce } from '../update-once.ts'

export type ClearBasket = Readonly<{ userId: string; expected: Expected<BasketState> }>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'update'> }> & Pick<Ports, 'clock'>

/** Removes every line and keeps the basket. Rejects with `not_found`, `stale_version` or `idempotency_key_reused`. */
export const clearBasket =
  ({ baskets, clock }: Needs) =>
  ({ userId, expected }: ClearBasket, { idempotency }: Pick<Context, 'idempotency'>): Promise<Basket> =>
    updateOnce({ baskets, clock }, { userId, idempotency }, (stored) =>
      withoutLines(requireExisting(stored, expected)),
    )
