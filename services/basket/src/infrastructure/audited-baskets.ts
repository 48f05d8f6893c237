import { AppError } from '@shop/kernel/errors.ts'
import { recordUpdate } from '@shop/platform/audit/write-record.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import { mayBeStored } from './may-be-stored.ts'

/** After a defect too, nobody knows. */
const isUnknown = (error: unknown): boolean => !(error instanceof AppError) || mayBeStored(error)

/** Records the versions of each write, for the audit line of its command. */
export const auditedBaskets = (baskets: BasketRepository): BasketRepository => ({
  find: baskets.find,
  mayRemember: baskets.mayRemember,
  update: (userId, change) => recordUpdate(change, (recorded) => baskets.update(userId, recorded), isUnknown),
})
