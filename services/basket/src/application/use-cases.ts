import type { Ports } from '../domain/ports.ts'
import { addItem } from './commands/add-item.ts'
import { clearBasket } from './commands/clear-basket.ts'
import { createBasket } from './commands/create-basket.ts'
import { deleteBasket } from './commands/delete-basket.ts'
import { removeItem } from './commands/remove-item.ts'
import { setQuantity } from './commands/set-quantity.ts'
import { basketStatistics } from './queries/basket-statistics.ts'
import { getBasket } from './queries/get-basket.ts'

/** Everything the basket service can do. */
export const useCases = (ports: Ports) => ({
  createBasket: createBasket(ports),
  addItem: addItem(ports),
  setQuantity: setQuantity(ports),
  removeItem: removeItem(ports),
  clearBasket: clearBasket(ports),
  deleteBasket: deleteBasket(ports),

  getBasket: getBasket(ports),
  basketStatistics: basketStatistics(ports),
})

export type UseCases = ReturnType<typeof useCases>
