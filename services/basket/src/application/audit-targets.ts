import { noTarget, type Target, type Targets } from '@shop/kernel/audit.ts'
import type { UseCases } from './use-cases.ts'

/** A basket has no name but that of its user, and the id of a guest is a secret. */
const basketOf = ({ userId }: Readonly<{ userId?: string }>): Target => ({ type: 'basket', owner: userId })

/** What each use case is about, for the audit log. The service's own work is about no caller, so it has no lines. */
export const auditTargets = {
  createBasket: basketOf,
  createGuestBasket: (_, created) => basketOf({ ...created }),
  addItem: basketOf,
  addItems: basketOf,
  setQuantity: basketOf,
  setQuantities: basketOf,
  removeItem: basketOf,
  clearBasket: basketOf,
  deleteBasket: basketOf,
  getBasket: basketOf,
  removeExpiredBaskets: noTarget,
  basketStatistics: noTarget,
} satisfies Targets<UseCases>
