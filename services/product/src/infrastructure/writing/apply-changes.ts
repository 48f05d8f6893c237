import { applyInOrder } from '@shop/platform/limits/batches/apply-in-order.ts'
import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import { noVersionLeft } from '../../domain/errors.ts'
import { limits, type Product, type Removal, type Revision } from '../../domain/product.ts'
import type { ProductEvent, PublishedProductEvent } from '../../domain/product-events.ts'

/** A change of a product, as `ProductRepository.update` receives it. */
export type Change = (stored: Product | undefined) => Revision | Removal

/** The product after the write (undefined if removed or missing), and the events to publish. */
export type WriteResult = Readonly<{
  product: Product | undefined
  events: readonly PublishedProductEvent[]
}>

export const toPublished = (
  events: readonly ProductEvent[],
  { id, version }: Product,
): PublishedProductEvent[] => events.map((event) => ({ ...event, productId: id, version }))

const applyOne = (stored: Product | undefined, change: Change): WriteResult => {
  const { product: changed, events } = change(stored)
  if (stored === undefined) {
    if (changed !== undefined) throw new Error('update() cannot create a product')
    return { product: undefined, events: [] }
  }
  if (changed === undefined) return { product: undefined, events: toPublished(events, stored) }
  if (stored.version === limits.integer) throw noVersionLeft(stored.id)
  const { id, version, createdAt } = stored
  const product = { ...changed, id, version: version + 1, createdAt }
  return { product, events: toPublished(events, product) }
}

/** The product before and after some changes, and what became of each of them. */
export type Applied = Readonly<{
  before: Product | undefined
  /** The same object as `before` if there is nothing to write. */
  after: Product | undefined
  outcomes: readonly Outcome<WriteResult>[]
}>

/** Applies the changes one after the other. One that throws changes nothing. */
export const applyChanges = (before: Product | undefined, changes: readonly Change[]): Applied => {
  const unchanged: WriteResult = { product: before, events: [] }
  const { state, outcomes } = applyInOrder(unchanged, changes, ({ product }, change) =>
    applyOne(product, change),
  )
  return { before, after: state.product, outcomes }
}

/** Changes of a product that cannot be read. */
export const failedChanges = (changes: readonly Change[], error: Error): Applied => ({
  before: undefined,
  after: undefined,
  outcomes: changes.map(() => ({ error })),
})

/** The result of a change that was written at this time. */
export const writtenAt = ({ product, events }: WriteResult, updatedAt: Date): WriteResult => ({
  product: product && { ...product, updatedAt },
  events,
})

/** The outcome of a change that was written at this time. */
export const outcomeAt = (outcome: Outcome<WriteResult>, updatedAt: Date): Outcome<WriteResult> =>
  'error' in outcome ? outcome : { value: writtenAt(outcome.value, updatedAt) }
