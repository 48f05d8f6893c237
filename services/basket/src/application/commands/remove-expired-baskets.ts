import { basketExpired } from '../../domain/basket-events.ts'
import type { BasketExpiry } from '../../domain/basket-expiry.ts'
import type { Ports } from '../../domain/ports.ts'

type Needs = Readonly<{ expiry?: BasketExpiry; events: Pick<Ports['events'], 'publish'> }>

/**
 * Removes one batch of expired baskets and publishes an event for each. Does nothing without `expiry`,
 * because the store then expires baskets by itself. Rejects with `unavailable`.
 */
export const removeExpiredBaskets =
  ({ expiry, events }: Needs) =>
  async (): Promise<void> => {
    const removed = (await expiry?.removeExpired()) ?? []
    events.publish(removed.map(basketExpired))
  }
