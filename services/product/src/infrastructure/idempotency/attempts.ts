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

export type KeyedChange = Readonly<{ id: number; change: Change; key: WriteKey }>

const applyTo = (stored: Product | undefined, change: Change) => {
  const applied = applyChanges(stored, [change])
  const [outcome] = applied.outcomes
  if (outcome === undefined || 'error' in outcome) throw outcome?.error
  return { applied, outcome }
}

/** Whether a change waits for a transaction that has locked its product. */
type Patience = 'waits' | 'does not wait'

/** The change needs the lock `update`, or another transaction has locked the product and the change does not wait. */
type NotTried = 'needs update' | undefined

/** Reads and locks the product, unless it is locked and the change does not wait. */
const findOrSkip = async (transaction: Database, id: number, lock: Lock, patience: Patience) => {
  const stored = await findLocked(transaction, id, lock, patience === 'waits')
  if (stored !== undefined || patience === 'waits') return { stored, isLocked: false }
  const row = await transaction.selectFrom('products').select('id').where('id', '=', id).executeTakeFirst()
  return { stored, isLocked: row !== undefined }
}

/**
 * The look-up comes after the lock: another write with this key has ended by then, if it is one of this product, which may have
 * removed it. It comes before the change, which the write itself may have made impossible. What it finds is final, also without
 * the lock.
 */
const tryChange = (database: Database, { id, change, key }: KeyedChange, lock: Lock, patience: Patience) =>
  database.transaction().execute(async (transaction): Promise<Attempt | NotTried> => {
    const { stored, isLocked } = await findOrSkip(transaction, id, lock, patience)
    const remembered = await findRemembered(transaction, key.key)
    if (remembered !== undefined) return found(remembered)
    if (isLocked) return undefined
    const { applied, outcome } = applyTo(stored, change)
    if (!isUpdate(applied) && !isRemoval(applied)) return { written: outcome.value, remembered: undefined }
    if (isRemoval(applied) && lock !== 'update') return 'needs update'
    const time = await writeRemembered(transaction, applied, key)
    if (time === undefined)
      throw new IgnoredWrite(`a trigger or rule of products has ignored a write of product ${id}`)
    return written(key, writtenAt(outcome.value, time))
  })

/**
 * Applies the change with the row of the product locked. If it does not wait, resolves with undefined if another
 * transaction has locked it.
 */
export const attemptChange = async (
  database: Database,
  keyed: KeyedChange,
  patience: Patience,
): Promise<Attempt | undefined> => {
  try {
    const attempt = await tryChange(database, keyed, 'no key update', patience)
    if (attempt !== 'needs update') return attempt
    const repeated = await tryChange(database, keyed, 'update', patience)
    if (repeated !== 'needs update') return repeated
    throw new Error('a change that needs no other lock has asked for one')
  } catch (error) {
    throw toWriteError(keyed.id, error)
  }
}
