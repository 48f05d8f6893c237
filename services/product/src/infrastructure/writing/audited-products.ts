import { AppError, kindOf } from '@shop/kernel/errors.ts'
import { recordCreation, recordUpdate } from '@shop/platform/audit/write-record.ts'
import { CircuitOpen } from '@shop/platform/resilience/breaker.ts'
import { isAnswered } from '@shop/postgres/errors.ts'
import type { Product, Removal, Revision } from '../../domain/product.ts'
import type { ProductRepository, WriteCaller } from '../../domain/product-repository.ts'

/**
 * Whether the write may be stored although it failed: no answer of the database has arrived. An error without a cause is one of
 * this service, which had not yet asked. After a defect, nobody knows.
 */
const mayBeStored = (error: unknown): boolean => {
  if (!(error instanceof AppError)) return true
  const { cause } = error
  return (
    kindOf(error) === 'unavailable' &&
    cause !== undefined &&
    !(cause instanceof CircuitOpen) &&
    !isAnswered(cause)
  )
}

/**
 * Passes a caller to `write` and calls its `markReplayed` after the write, if that has called it: what is recorded of the write is
 * then removed from the audit line.
 */
const markedAfter = async <Result>(
  caller: WriteCaller | undefined,
  write: (caller: WriteCaller | undefined) => Promise<Result>,
): Promise<Result> => {
  if (caller?.idempotency === undefined) return write(caller)
  const { principal, idempotency } = caller
  let isReplayed = false
  const markReplayed = () => {
    isReplayed = true
  }
  const result = await write({ principal, idempotency: { ...idempotency, markReplayed } })
  if (isReplayed) idempotency.markReplayed()
  return result
}

/** Records the versions of each write, for the audit line of its command. */
export const auditedProducts = (products: ProductRepository): ProductRepository => ({
  add: (creation, caller) =>
    markedAfter(caller, (marked) => recordCreation(() => products.add(creation, marked), mayBeStored)),
  update: <Result extends Revision | Removal>(
    id: number,
    change: (stored: Product | undefined) => Result,
    caller?: WriteCaller,
  ) =>
    markedAfter(caller, (marked) =>
      recordUpdate(change, (recorded) => products.update(id, recorded, marked), mayBeStored),
    ),
})
