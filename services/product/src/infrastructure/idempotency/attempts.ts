import { hasSqlState, IgnoredWrite } from '@shop/postgres/errors.ts'
import type { Creation, Product } from '../../domain/product.ts'
import type { Database } from '../products-table.ts'
import {
  applyChanges,
  type Change,
  toPublished,
  type WriteResult,
  writtenAt,
} from '../writing/apply-changes.ts'
import { isRemoval, isUpdate } from '../writing/change-statements.ts'
import { findLocked, type Lock, toWriteError } from '../writing/locked-changes.ts'
import { insertAlone } from '../writing/shared-creations.ts'
import { findRemembered, type RememberedWrite } from './find-remembered.ts'
import { insertRemembered, writeRemembered } from './keyed-statements.ts'
import type { WriteKey } from './write-key.ts'

/** What came of a write with a key: what it has done, or the write that is remembered by its key. */
export type Attempt =
  | Readonly<{ written: WriteResult; remembered: RememberedWrite | undefined }>
  | Readonly<{ written: undefined; remembered: RememberedWrite }>

const found = (remembered: RememberedWrite): Attempt => ({ written: undefined, remembered })

const written = ({ fingerprint }: WriteKey, result: WriteResult): Attempt => ({
  written: result,
  remembered: { fingerprint, product: result.product },
})

/**
 * Stores a new product. The look-up comes first, because an insert that fails has used up an id. It is repeated if the insert violates
 * a unique key: the row that is there already may be that of another write with this key.
 */
export const attemptCreation = async (
  database: Database,
  creation: Creation,
  key: WriteKey,
): Promise<Attempt> => {
  const remembered = await findRemembered(database, key.key)
  if (remembered !== undefined) return found(remembered)
  const outcome = await insertAlone(database, () => insertRemembered(database, creation, key))
  if ('error' in outcome) {
    const first = hasSqlState(outcome.error, '23505') ? await findRemembered(database, key.key) : undefined
    if (first === undefined) throw outcome.error
    return found(first)
  }
  const { value: product } = outcome
  return written(key, { product, events: toPublished(creation.events, product) })
}

type KeyedChange = Readonly<{ id: number; change: Change; key: WriteKey }>

const applyTo = (stored: Product | undefined, change: Change) => {
  const applied = applyChanges(stored, [change])
  const [outcome] = applied.outcomes
  if (outcome === undefined || 'error' in outcome) throw outcome?.error
  return { applied, outcome }
}

/**
 * Resolves with undefined if the change needs the lock `update`. The look-up comes after the lock: another write with this key
 * has ended by then, if it is one of this product. It comes before the change, which the write itself may have made
 * impossible.
 */
const tryChange = (database: Database, { id, change, key }: KeyedChange, lock: Lock) =>
  database.transaction().execute(async (transaction): Promise<Attempt | undefined> => {
    const stored = await findLocked(transaction, id, lock)
    const remembered = await findRemembered(transaction, key.key)
    if (remembered !== undefined) return found(remembered)
    const { applied, outcome } = applyTo(stored, change)
    if (!isUpdate(applied) && !isRemoval(applied)) return { written: outcome.value, remembered: undefined }
    if (isRemoval(applied) && lock !== 'update') return undefined
    const time = await writeRemembered(transaction, applied, key)
    if (time === undefined)
      throw new IgnoredWrite(`a trigger or rule of products has ignored a write of product ${id}`)
    return written(key, writtenAt(outcome.value, time))
  })

/** Applies the change with the row of the product locked. */
export const attemptChange = async (database: Database, keyed: KeyedChange): Promise<Attempt> => {
  try {
    return (
      (await tryChange(database, keyed, 'no key update')) ??
      (await tryChange(database, keyed, 'update')) ??
      Promise.reject(new Error('a change that needs no other lock has asked for one'))
    )
  } catch (error) {
    throw toWriteError(keyed.id, error)
  }
}
