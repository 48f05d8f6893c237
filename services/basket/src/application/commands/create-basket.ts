import { type Basket, newBasket, type Precondition } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'

export type CreateBasket = Readonly<{ userId: string; precondition: Precondition }>

/** The user's basket: a new one when there is none, else the one that is there, untouched. Rejects with `stale_version`. */
export const createBasket =
  ({ baskets }: Readonly<{ baskets: Pick<BasketRepository, 'update'> }>) =>
  async ({ userId, precondition }: CreateBasket): Promise<Readonly<{ basket: Basket; created: boolean }>> => {
    const fresh = newBasket(userId, crypto.randomUUID(), new Date())
    const basket = await baskets.update(userId, (stored) => {
      precondition(stored)
      return stored ?? fresh
    })
    return { basket, created: basket.id === fresh.id }
  }
