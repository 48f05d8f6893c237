import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import { createWriteCheck } from '@shop/postgres/availability/write-check.ts'
import type { Ports } from '../domain/ports.ts'
import { batchedProductReader } from './batched-product-reader.ts'
import { poolShares } from './limits/pool-shares.ts'
import { migrations } from './migrations.ts'
import {
  attemptWriteOf,
  openReader,
  openRememberedWrites,
  openRepository,
  openStatistics,
  probeOf,
} from './postgres-ports.ts'
import { productEventHub } from './product-event-hub.ts'
import type { Tables } from './products-table.ts'
import { seedSamples } from './sample-products.ts'

export type EmbeddedConfig = Readonly<{
  kind: 'embedded'
  folder: string
  /** Whether to add sample products to an empty catalog. */
  samples: boolean
}>

/** Opens the service's adapters on PostgreSQL embedded in this process (PGlite). */
export const openEmbeddedAdapters = async (
  { folder, samples }: EmbeddedConfig,
  { logger, metrics }: AdapterOptions<unknown>,
): Promise<Adapters<Ports>> => {
  logger.warn({ folder }, 'using embedded storage, which is for development only')
  // Imported only when needed: production does not use it, and images do not contain it.
  const { openEmbeddedPostgres } = await import('@shop/postgres/embedded.ts')
  const embedded = await openEmbeddedPostgres<Tables>(folder, metrics)
  const { database } = embedded
  await migrations.apply(database)
  const events = productEventHub(logger)
  const writes = createWriteCheck(attemptWriteOf(database))
  // PGlite runs one statement at a time.
  const shares = poolShares(1, metrics)
  const ports = {
    products: writes.observe(openRepository(database, events.publish, shares)),
    events,
    reader: batchedProductReader(openReader(database), shares),
    statistics: openStatistics(database),
    rememberedWrites: openRememberedWrites(database),
  }
  if (samples) {
    const added = await seedSamples(ports.products, ports.reader)
    if (added > 0) logger.info({ added }, 'added sample products to the empty catalog')
  }
  return {
    ports,
    dependencies: [
      { name: 'postgres', required: true, probe: probeOf(database) },
      { name: 'postgres-writes', required: false, probe: writes.probe },
    ],
    [Symbol.asyncDispose]: () => embedded[Symbol.asyncDispose](),
  }
}
