import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, existingOrEmpty, newBasket } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'

export type CreateBasket = Readonly<{ userId: string; expected: Expected<BasketState> }>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'update'> }> & Pick<Ports, 'clock' | 'newId'>

/**
 * Creates a basket, or returns the user's existing basket unchanged. Rejects with `stale_version`, or with `not_found` for a guest
 * without a basket.
 */
export const createBasket =
  ({ baskets, clock, newId }: Needs) =>
  async ({ userId, expected }: CreateBasket): Promise<Readonly<{ basket: Basket; created: boolean }>> => {
    const empty = newBasket(userId, newId(), clock())
    const basket = await baskets.update(userId, (stored) => existingOrEmpty(stored, empty, expected))
    return { basket, created: basket.id === empty.id }
  }
