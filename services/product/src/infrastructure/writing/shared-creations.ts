import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import type { Bulkhead } from '@shop/platform/limits/bulkhead.ts'
import { IgnoredWrite } from '@shop/postgres/errors.ts'
import { idTaken, noIdLeft } from '../../domain/errors.ts'
import type { Product, ProductFields } from '../../domain/product.ts'
import { isNoIdLeft, isTakenId, withFreeIds } from '../postgres-product-ids.ts'
import type { Database } from '../products-table.ts'
import { insertProduct, insertProducts } from './statements.ts'
import { writeOrHalve } from './write-or-halve.ts'

/** Inserts one product. An id that is taken is replaced, and an error tells why the product cannot be stored. */
const insertAlone = async (database: Database, fields: ProductFields): Promise<Outcome<Product>> => {
  try {
    const value = await withFreeIds(database, () => insertProduct(database, fields))
    if (value === undefined) throw new IgnoredWrite('a trigger or rule of products has ignored a new product')
    return { value }
  } catch (error) {
    return { error: isNoIdLeft(error) ? noIdLeft(error) : isTakenId(error) ? idTaken(error) : error }
  }
}

/**
 * Returns a function that inserts products by one statement. What it does not store is inserted alone, in slots of `alone`, as
 * is a single product. `findSequence` returns the sequence of the ids, or undefined if it may not be used.
 */
export const sharedCreations = (
  database: Database,
  findSequence: () => Promise<string | undefined>,
  alone: Pick<Bulkhead, 'runAnyway'>,
) => {
  const insertTogether = async (
    creations: readonly ProductFields[],
  ): Promise<Outcome<Product | undefined>[]> => {
    const sequence = creations.length > 1 ? await findSequence() : undefined
    return sequence === undefined
      ? creations.map(() => ({ value: undefined }))
      : writeOrHalve(creations, (part) => insertProducts(database, sequence, part))
  }

  return async (creations: readonly ProductFields[]): Promise<Outcome<Product>[]> => {
    if (creations[0] !== undefined && creations.length === 1)
      return [await insertAlone(database, creations[0])]
    const outcomes = await insertTogether(creations)
    return Promise.all(
      creations.map((fields, index) => {
        const outcome = outcomes[index]
        if (outcome !== undefined && 'error' in outcome) return outcome
        return outcome?.value === undefined
          ? alone.runAnyway(() => insertAlone(database, fields))
          : { value: outcome.value }
      }),
    )
  }
}
