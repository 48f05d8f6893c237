import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, existingOrEmpty, newBasket } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { replayOrUpdate } from '../update-once.ts'

export type CreateBasket = Readonly<{ userId: string; expected: Expected<BasketState> }>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'update'> }> & Pick<Ports, 'clock' | 'newId'>

/**
 * Creates a basket, or returns the user's existing basket unchanged. `created` is also true if an earlier request with the same
 * idempotency key has created it. Rejects with `stale_version` or `idempotency_key_reused`, or with `not_found` for a guest without
 * a basket.
 */
export const createBasket =
  ({ baskets, clock, newId }: Needs) =>
  async (
    { userId, expected }: CreateBasket,
    { idempotency }: Pick<Context, 'idempotency'>,
  ): Promise<Readonly<{ basket: Basket; created: boolean }>> => {
    const empty = newBasket(userId, newId(), clock())
    const { basket, isReplay } = await replayOrUpdate({ baskets, clock }, { userId, idempotency }, (stored) =>
      existingOrEmpty(stored, empty, expected),
    )
    // Of the writes of this request, only a creation is remembered.
    return { basket, created: isReplay || basket.id === empty.id }
  }
