import type { BasketFiguresReader } from '../domain/basket-figures.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import type { ProductCatalog } from '../domain/product-catalog.ts'
import { addItem } from './commands/add-item.ts'
import { clearBasket } from './commands/clear-basket.ts'
import { createBasket } from './commands/create-basket.ts'
import { deleteBasket } from './commands/delete-basket.ts'
import { removeItem } from './commands/remove-item.ts'
import { setQuantity } from './commands/set-quantity.ts'
import { basketFigures } from './queries/basket-figures.ts'
import { getBasket } from './queries/get-basket.ts'

export type Ports = Readonly<{
  baskets: BasketRepository
  catalog: ProductCatalog
  figures: BasketFiguresReader
}>

/** Everything the basket service can do. */
export const useCases = (ports: Ports) => ({
  createBasket: createBasket(ports),
  addItem: addItem(ports),
  setQuantity: setQuantity(ports),
  removeItem: removeItem(ports),
  clearBasket: clearBasket(ports),
  deleteBasket: deleteBasket(ports),

  getBasket: getBasket(ports),
  basketFigures: basketFigures(ports),
})

export type UseCases = ReturnType<typeof useCases>
