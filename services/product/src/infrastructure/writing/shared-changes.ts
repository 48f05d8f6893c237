import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import { findEach } from '../postgres-product-reader.ts'
import type { Database } from '../products-table.ts'
import {
  type Applied,
  applyChanges,
  type Change,
  failedChanges,
  outcomeAt,
  type WriteResult,
} from './apply-changes.ts'
import { deleteProducts, isRemoval, isUpdate, updateProducts } from './change-statements.ts'
import type { SharingPause } from './sharing-pause.ts'
import { writeOrHalve } from './write-or-halve.ts'

export type ProductChange = Readonly<{ id: number; change: Change }>

/** The changes of each product, and for each item its position among those of its product. */
const groupByProduct = (items: readonly ProductChange[]) => {
  const groups = new Map<number, Change[]>()
  const positions = items.map(({ id, change }) => {
    const group = groups.get(id)
    if (group !== undefined) return group.push(change) - 1
    groups.set(id, [change])
    return 0
  })
  return { groups, positions }
}

/** Applies the changes of each product to what is stored. A product that cannot be read fails alone. */
const applyToStored = async (database: Database, groups: ReadonlyMap<number, readonly Change[]>) => {
  const stored = await findEach(database, [...groups.keys()])
  return new Map(
    [...groups].map(([id, changes]): [number, Applied] => {
      const product = stored.get(id)
      return [id, product instanceof Error ? failedChanges(changes, product) : applyChanges(product, changes)]
    }),
  )
}

type Written = ReadonlyMap<Applied, Outcome<Date | undefined>>

/** Writes by one statement for all updates, and one for all removals, at the same time. */
const writeAll = async (
  database: Database,
  products: readonly Applied[],
  pause: SharingPause,
): Promise<Written> => {
  const [updates, removals] = [products.filter(isUpdate), products.filter(isRemoval)]
  const [updated, removed] = await Promise.all([
    writeOrHalve(updates, (part) => updateProducts(database, part), pause),
    writeOrHalve(removals, (part) => deleteProducts(database, part), pause),
  ])
  const outcomes = [...updated, ...removed]
  return new Map(
    [...updates, ...removals].map((product, index) => [product, outcomes[index] ?? { value: undefined }]),
  )
}

const outcomesOf = (
  { outcomes }: Applied,
  written: Outcome<Date | undefined> | undefined,
): readonly Outcome<WriteResult | undefined>[] => {
  if (written === undefined) return outcomes
  // Without an effect, the state is unknown on which later changes of the product were refused.
  if ('error' in written) return outcomes.map(() => written)
  const { value: time } = written
  return outcomes.map((outcome) => (time === undefined ? { value: undefined } : outcomeAt(outcome, time)))
}

/**
 * Reads the products, applies the changes, and writes the results. The outcome of a change is undefined if
 * it did not take effect: another write came first, or another transaction has locked the product, or the server refuses it.
 */
export const writeChanges = async (
  database: Database,
  items: readonly ProductChange[],
  pause: SharingPause,
): Promise<Outcome<WriteResult | undefined>[]> => {
  const { groups, positions } = groupByProduct(items)
  if (groups.size > 1 && pause.isOn()) return items.map(() => ({ value: undefined }))
  const products = await applyToStored(database, groups)
  const written = await writeAll(database, [...products.values()], pause)
  const outcomes = new Map(
    [...products].map(([id, applied]) => [id, outcomesOf(applied, written.get(applied))]),
  )
  return items.map(({ id }, index) => outcomes.get(id)?.[positions[index] ?? 0] ?? { value: undefined })
}
