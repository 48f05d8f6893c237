import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import { hasSqlState, IgnoredWrite, isRefusedWrite } from '@shop/postgres/errors.ts'
import { productReferenced } from '../../domain/errors.ts'
import type { Product } from '../../domain/product.ts'
import { type Database, productColumns } from '../products-table.ts'
import { productOf } from '../reading/product-row.ts'
import { applyChanges, type Change, outcomeAt, type WriteResult } from './apply-changes.ts'
import { isRemoval, isUpdate, writeProduct } from './change-statements.ts'

/**
 * The lock of an update, or that of a deletion, which waits for transactions that have inserted a reference to the product. It
 * must be taken first: to wait for it with the other one held deadlocks with a reference whose transaction then updates the product.
 */
export type Lock = 'no key update' | 'update'

/**
 * Reads and locks the row: no other transaction can write it until this one ends. If another transaction has locked it, waits for
 * that, or resolves with undefined if `waits` is false.
 */
export const findLocked = async (
  transaction: Database,
  id: number,
  lock: Lock,
  waits = true,
): Promise<Product | undefined> => {
  const query = transaction.selectFrom('products').select(productColumns).where('id', '=', id)
  const locking = lock === 'update' ? query.forUpdate() : query.forNoKeyUpdate()
  const row = await (waits ? locking : locking.skipLocked()).executeTakeFirst()
  return row && productOf(row)
}

/** Resolves with undefined if the changes need the lock `update`. */
const tryWrite = (database: Database, id: number, changes: readonly Change[], lock: Lock) =>
  database.transaction().execute(async (transaction): Promise<Outcome<WriteResult>[] | undefined> => {
    const applied = applyChanges(await findLocked(transaction, id, lock), changes)
    if (!isUpdate(applied) && !isRemoval(applied)) return [...applied.outcomes]
    if (isRemoval(applied) && lock !== 'update') return undefined
    const time = await writeProduct(transaction, applied)
    if (time === undefined)
      throw new IgnoredWrite(`a trigger or rule of products has ignored a write of product ${id}`)
    return applied.outcomes.map((outcome) => outcomeAt(outcome, time))
  })

const write = async (
  database: Database,
  id: number,
  changes: readonly Change[],
  lock: Lock = 'no key update',
): Promise<Outcome<WriteResult>[]> =>
  (await tryWrite(database, id, changes, lock)) ?? write(database, id, changes, 'update')

/** Whether a foreign key of another table refuses the write. Another foreign key may be one of the table `products`. */
const isReferenced = (error: unknown): boolean =>
  hasSqlState(error, '23503') && (error as { table?: unknown }).table !== 'products'

/** The error of a write of this product, if it alone was written. */
export const toWriteError = (id: number, error: unknown): unknown =>
  isReferenced(error) ? productReferenced(id, error) : error

/**
 * Applies the changes to one product with its row locked, and stores the result. If the server refuses it, each change is
 * written alone, because it may refuse only one of them.
 */
export const writeLocked = async (
  database: Database,
  id: number,
  changes: readonly Change[],
): Promise<Outcome<WriteResult>[]> => {
  try {
    return await write(database, id, changes)
  } catch (error) {
    if (!isRefusedWrite(error) || changes.length === 1)
      return changes.map(() => ({ error: toWriteError(id, error) }))
    const outcomes: Outcome<WriteResult>[] = []
    for (const change of changes) outcomes.push(...(await writeLocked(database, id, [change])))
    return outcomes
  }
}
