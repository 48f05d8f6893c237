import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import type { Ports } from '../domain/ports.ts'
import { batchedProductReader } from './batched-product-reader.ts'
import { migrations } from './migrations.ts'
import { openReader, openRepository, openStatistics, probeOf } from './postgres-ports.ts'
import { productEventHub } from './product-event-hub.ts'
import type { Tables } from './products-table.ts'
import { seedSamples } from './seed.ts'

export type EmbeddedConfig = Readonly<{
  kind: 'embedded'
  folder: string
  /** Whether an empty catalog gets some products to try the service with. */
  samples: boolean
}>

/** Ports on PostgreSQL in this process. */
export const openEmbeddedAdapters = async (
  { folder, samples }: EmbeddedConfig,
  { logger, metrics }: AdapterOptions<unknown>,
): Promise<Adapters<Ports>> => {
  logger.warn({ folder }, 'embedded storage: for one developer on one machine')
  // Loaded only here: production does without it, and images come without it.
  const { openEmbeddedPostgres } = await import('@shop/postgres/embedded.ts')
  const embedded = await openEmbeddedPostgres<Tables>(folder, metrics)
  const { database } = embedded
  await migrations.apply(database)
  const events = productEventHub(logger)
  const ports = {
    products: openRepository(database, events.publish),
    events,
    reader: batchedProductReader(openReader(database)),
    statistics: openStatistics(database),
  }
  if (samples) {
    const added = await seedSamples(ports.products, ports.reader)
    if (added > 0) logger.info({ added }, 'added sample products to the empty catalog')
  }
  return {
    ports,
    dependencies: [{ name: 'postgres', required: true, probe: probeOf(database) }],
    [Symbol.asyncDispose]: () => embedded[Symbol.asyncDispose](),
  }
}
