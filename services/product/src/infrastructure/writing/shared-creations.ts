import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import type { Bulkhead } from '@shop/platform/limits/bulkhead.ts'
import { hasSqlState, IgnoredWrite, insufficientPrivilege, missingTable } from '@shop/postgres/errors.ts'
import { idTaken, noIdLeft } from '../../domain/errors.ts'
import type { Creation, Product } from '../../domain/product.ts'
import { isNoIdLeft, isTakenId, withFreeIds } from '../postgres-product-ids.ts'
import type { Database } from '../products-table.ts'
import { insertProduct, insertProducts } from './insert-statements.ts'
import type { SequenceFinder } from './sequence-finder.ts'
import { writeOrHalve } from './write-or-halve.ts'

/** Inserts one product. An id that is taken is replaced, and an error tells why the product cannot be stored. */
const insertAlone = async (database: Database, creation: Creation): Promise<Outcome<Product>> => {
  try {
    const value = await withFreeIds(database, () => insertProduct(database, creation))
    if (value === undefined) throw new IgnoredWrite('a trigger or rule of products has ignored a new product')
    return { value }
  } catch (error) {
    return { error: isNoIdLeft(error) ? noIdLeft(error) : isTakenId(error) ? idTaken(error) : error }
  }
}

/** Whether the sequence may have been replaced, or a right on it revoked, since it was found. */
const isSequenceLost = (outcome: Outcome<unknown>): boolean =>
  'error' in outcome &&
  (hasSqlState(outcome.error, missingTable) || hasSqlState(outcome.error, insufficientPrivilege))

/**
 * Returns a function that inserts products by one statement. What it does not store is inserted alone, in slots of `alone`, as
 * is a single product.
 */
export const sharedCreations = (
  database: Database,
  sequences: SequenceFinder,
  alone: Pick<Bulkhead, 'runAnyway'>,
) => {
  const insertTogether = async (creations: readonly Creation[]): Promise<Outcome<Product | undefined>[]> => {
    const sequence = await sequences.find()
    if (sequence === undefined) return creations.map(() => ({ value: undefined }))
    const outcomes = await writeOrHalve(creations, (part) => insertProducts(database, sequence, part))
    if (!outcomes.some(isSequenceLost)) return outcomes
    sequences.forget()
    return outcomes.map((outcome) => (isSequenceLost(outcome) ? { value: undefined } : outcome))
  }

  return async (creations: readonly Creation[]): Promise<Outcome<Product>[]> => {
    if (creations[0] !== undefined && creations.length === 1)
      return [await insertAlone(database, creations[0])]
    const outcomes = await insertTogether(creations)
    return Promise.all(
      creations.map((creation, index) => {
        const outcome = outcomes[index]
        if (outcome !== undefined && 'error' in outcome) return outcome
        return outcome?.value === undefined
          ? alone.runAnyway(() => insertAlone(database, creation))
          : { value: outcome.value }
      }),
    )
  }
}
