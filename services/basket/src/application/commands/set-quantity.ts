import {
  type Basket,
  existing,
  type Precondition,
  removeItem,
  setQuantity as revised,
} from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'
import type { ProductCatalog } from '../../domain/product-catalog.ts'

export type SetQuantity = Readonly<{
  userId: string
  productId: number
  quantity: number
  precondition: Precondition
}>

type Needs = Readonly<{ baskets: Pick<BasketRepository, 'update'>; catalog: ProductCatalog }>

/**
 * Sets the quantity of a line; 0 removes it, without asking the catalogue. Rejects with `not_found` for a basket or
 * line that is not there, and otherwise like adding.
 */
export const setQuantity =
  ({ baskets, catalog }: Needs) =>
  async ({ userId, productId, quantity, precondition }: SetQuantity): Promise<Basket> => {
    const product = quantity === 0 ? undefined : await catalog.find(productId)
    return baskets.update(userId, (stored) => {
      const basket = existing(stored)
      precondition(basket)
      return product === undefined ? removeItem(basket, productId) : revised(basket, product, quantity)
    })
  }
