import type { Expected } from '@shop/kernel/expectation.ts'
import { type Basket, type BasketState, newBasket, requireExpected } from '../../domain/basket.ts'
import type { Ports } from '../../domain/ports.ts'
import { guestId } from '../../domain/user-id.ts'

export type CreateGuestBasket = Readonly<{ expected: Expected<BasketState> }>

type Needs = Readonly<{ baskets: Pick<Ports['baskets'], 'update'> }> &
  Pick<Ports, 'clock' | 'newId' | 'newSecret'>

/** Creates the basket of a new guest, with an id that only the caller knows. Rejects with `stale_version`. */
export const createGuestBasket =
  ({ baskets, clock, newId, newSecret }: Needs) =>
  async ({ expected }: CreateGuestBasket): Promise<Basket> => {
    const empty = newBasket(guestId(newSecret()), newId(), clock())
    return baskets.update(empty.userId, (stored) => {
      // A basket that is there belongs to somebody else: 128 random bits repeat only if the source of them is broken.
      if (stored !== undefined) throw new Error('the random id of a new guest exists already')
      requireExpected(stored, expected)
      return empty
    })
  }
