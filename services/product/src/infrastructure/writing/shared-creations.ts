import { AppError } from '@shop/kernel/errors.ts'
import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import {
  hasSqlState,
  IgnoredWrite,
  insufficientPrivilege,
  isRefusedWrite,
  missingTable,
} from '@shop/postgres/errors.ts'
import { idTaken, noIdLeft } from '../../domain/errors.ts'
import type { Creation, Product } from '../../domain/product.ts'
import { isNoIdLeft, isTakenId, withFreeIds } from '../postgres-product-ids.ts'
import type { Database } from '../products-table.ts'
import { insertProduct, insertProducts } from './insert-statements.ts'
import type { SequenceFinder } from './sequence-finder.ts'
import type { SharingPause } from './sharing-pause.ts'
import { writeOrHalve } from './write-or-halve.ts'

/**
 * Inserts one product by `insert`, which resolves with undefined if it was ignored. An id that is taken is replaced, and an error
 * tells why the product cannot be stored.
 */
export const insertAlone = async (
  database: Database,
  insert: () => Promise<Product | undefined>,
): Promise<Outcome<Product>> => {
  try {
    const value = await withFreeIds(database, insert)
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

/** Whether the error is not about one product, such as an outage: the others then fail with it too. */
const isCommon = (error: unknown): boolean => !(error instanceof AppError) && !isRefusedWrite(error)

type SharedOutcome = Outcome<Product | undefined>

/** The outcome, or undefined if the product was not stored and nothing tells why. */
const settled = (outcome: SharedOutcome | undefined): Outcome<Product> | undefined =>
  outcome === undefined || 'error' in outcome ? outcome : outcome.value && { value: outcome.value }

/** Inserts those that were not stored, one after the other. If the server is away, it does not try the rest. */
const insertRest = async (
  database: Database,
  creations: readonly Creation[],
  shared: readonly SharedOutcome[],
): Promise<Outcome<Product>[]> => {
  const outcomes: Outcome<Product>[] = []
  let failed: Outcome<Product> | undefined
  for (const [index, creation] of creations.entries()) {
    const outcome =
      settled(shared[index]) ??
      failed ??
      (await insertAlone(database, () => insertProduct(database, creation)))
    if ('error' in outcome && isCommon(outcome.error)) failed = outcome
    outcomes.push(outcome)
  }
  return outcomes
}

/**
 * Returns a function that inserts products by one statement. What it does not store is inserted alone, as is a single product.
 */
export const sharedCreations = (database: Database, sequences: SequenceFinder, pause: SharingPause) => {
  const insertTogether = async (creations: readonly Creation[]): Promise<SharedOutcome[]> => {
    const sequence = creations.length > 1 && !pause.isOn() ? await sequences.find() : undefined
    if (sequence === undefined) return creations.map(() => ({ value: undefined }))
    const insert = (part: readonly Creation[]) => insertProducts(database, sequence, part)
    const outcomes = await writeOrHalve(creations, insert, pause)
    if (!outcomes.some(isSequenceLost)) return outcomes
    sequences.forget()
    return outcomes.map((outcome) => (isSequenceLost(outcome) ? { value: undefined } : outcome))
  }
  return async (creations: readonly Creation[]): Promise<Outcome<Product>[]> =>
    insertRest(database, creations, await insertTogether(creations))
}
