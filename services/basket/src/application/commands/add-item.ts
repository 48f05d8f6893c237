import { addItem as added, type Basket, newBasket, type Precondition } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'
import type { ProductCatalog } from '../../domain/product-catalog.ts'

export type AddItem = Readonly<{
  userId: string
  productId: number
  quantity: number
  precondition: Precondition
}>

type Needs = Readonly<{ baskets: Pick<BasketRepository, 'update'>; catalog: ProductCatalog }>

/**
 * Makes the basket when there is none. Rejects with `product_not_found`, `insufficient_stock`, `basket_full`,
 * `stale_version` or `unavailable`; then the basket is unchanged.
 */
export const addItem =
  ({ baskets, catalog }: Needs) =>
  async ({ userId, productId, quantity, precondition }: AddItem): Promise<Basket> => {
    const product = await catalog.find(productId)
    const fresh = newBasket(userId, crypto.randomUUID(), new Date())
    return baskets.update(userId, (stored) => {
      precondition(stored)
      return added(stored ?? fresh, product, quantity)
    })
  }
