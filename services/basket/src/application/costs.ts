import { type Costs, single } from '@shop/kernel/cost.ts'
import type { UseCases } from './use-cases.ts'

/** What each use case costs of the rate limit of its caller. A basket has at most 100 lines: all of them cost the same. */
export const costs = {
  createBasket: single,
  createGuestBasket: single,
  addItem: single,
  setQuantity: single,
  removeItem: single,
  clearBasket: single,
  deleteBasket: single,
  getBasket: single,
  removeExpiredBaskets: single,
  basketStatistics: single,
} satisfies Costs<UseCases>
