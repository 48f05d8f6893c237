import { createBatches } from '@shop/platform/limits/batches/batches.ts'
import { keyedBatches } from '@shop/platform/limits/batches/keyed-batches.ts'
import type { Creation, Product } from '../domain/product.ts'
import type { PublishedProductEvent } from '../domain/product-events.ts'
import type { ProductRepository, WriteCaller } from '../domain/product-repository.ts'
import { hasKey, keyedWrites } from './idempotency/keyed-writes.ts'
import { type PoolShares, poolShares } from './limits/pool-shares.ts'
import type { Database } from './products-table.ts'
import { type Change, toPublished, type WriteResult } from './writing/apply-changes.ts'
import { writeLocked } from './writing/locked-changes.ts'
import { sequenceFinder } from './writing/sequence-finder.ts'
import { type ProductChange, writeChanges } from './writing/shared-changes.ts'
import { sharedCreations } from './writing/shared-creations.ts'
import { sharingPause } from './writing/sharing-pause.ts'

type WriteShares = Omit<PoolShares, 'lists' | 'largeLists' | 'batches'>

/**
 * Writes products to PostgreSQL or PGlite. Writes that arrive together share a statement and its commit, each with its own
 * outcome; one that arrives alone does not wait for others. A change takes effect if the product has not changed since it
 * was read. Otherwise it is repeated with the row locked, together with other changes of this product. `publish` receives the
 * events of a write after its commit. `warn` receives what an operator should change.
 *
 * A write that is refused because too many wait has not begun.
 */
export const postgresProductRepository = (
  database: Database,
  publish: (events: readonly PublishedProductEvent[]) => void,
  shares: WriteShares = poolShares(),
  warn: (message: string) => void = () => {},
): ProductRepository => {
  const pause = sharingPause(warn)
  const create = createBatches<Creation, Product>({
    ...shares.creations,
    run: sharedCreations(database, sequenceFinder(database, warn), pause),
  })
  const change = createBatches<ProductChange, WriteResult | undefined>({
    ...shares.changes,
    run: (items) => writeChanges(database, items, pause),
  })
  const changeLocked = keyedBatches<number, Change, WriteResult>({
    ...shares.writesOfProduct,
    run: (id, items) => shares.lockedWrites.runAnyway(() => writeLocked(database, id, items)),
  })
  const keyed = keyedWrites(database, publish, shares)
  return {
    add: async (creation: Creation, caller?: WriteCaller) => {
      if (hasKey(caller)) return keyed.add(creation, caller)
      const product = await create.add(creation)
      publish(toPublished(creation.events, product))
      return product
    },

    update: async (id: number, changeOne: Change, caller?: WriteCaller) => {
      if (hasKey(caller)) return keyed.update(id, changeOne, caller)
      // While a product is locked, its changes wait for each other, not in front of those of other products.
      const shared = changeLocked.isBusy(id) ? undefined : await change.add({ id, change: changeOne })
      const { product, events } = shared ?? (await changeLocked.add(id, changeOne))
      publish(events)
      return product
    },
  }
}
