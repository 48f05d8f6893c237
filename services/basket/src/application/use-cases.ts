import type { UseCasesOf } from '@shop/kernel/use-case.ts'
import type { Ports } from '../domain/ports.ts'
import { addItem } from './commands/add-item.ts'
import { addItems } from './commands/add-items.ts'
import { clearBasket } from './commands/clear-basket.ts'
import { createBasket } from './commands/create-basket.ts'
import { createGuestBasket } from './commands/create-guest-basket.ts'
import { deleteBasket } from './commands/delete-basket.ts'
import { removeExpiredBaskets } from './commands/remove-expired-baskets.ts'
import { removeItem } from './commands/remove-item.ts'
import { setQuantities } from './commands/set-quantities.ts'
import { setQuantity } from './commands/set-quantity.ts'
import { basketStatistics } from './queries/basket-statistics.ts'
import { getBasket } from './queries/get-basket.ts'

const commands = (ports: Ports) => ({
  createBasket: createBasket(ports),
  createGuestBasket: createGuestBasket(ports),
  addItem: addItem(ports),
  addItems: addItems(ports),
  setQuantity: setQuantity(ports),
  setQuantities: setQuantities(ports),
  removeItem: removeItem(ports),
  clearBasket: clearBasket(ports),
  deleteBasket: deleteBasket(ports),
  removeExpiredBaskets: removeExpiredBaskets(ports),
})

const queries = (ports: Ports) => ({
  getBasket: getBasket(ports),
  basketStatistics: basketStatistics(ports),
})

/** Creates the service's use cases on the ports. Commands write; queries only read. */
export const useCases = (ports: Ports) => ({ commands: commands(ports), queries: queries(ports) })

type UseCaseGroups = ReturnType<typeof useCases>

export type UseCases = UseCasesOf<UseCaseGroups['commands'] & UseCaseGroups['queries']>
