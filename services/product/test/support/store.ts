import { PGlite } from '@electric-sql/pglite'
import { dataDir } from '@electric-sql/pglite-prepopulatedfs'
import { eventHub } from '@shop/platform/event-hub.ts'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { startJobs } from '@shop/platform/process/jobs.ts'
import { openPostgres } from '@shop/postgres/database.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { Kysely, PGliteDialect } from 'kysely'
import { createApp, version } from '../../src/app.ts'
import { service } from '../../src/config.ts'
import type { Ports } from '../../src/domain/ports.ts'
import {
  type Creation,
  newProduct,
  type Product,
  type ProductFields,
  removeProduct,
  requireExisting,
} from '../../src/domain/product.ts'
import type { PublishedProductEvent } from '../../src/domain/product-events.ts'
import type { ProductRepository } from '../../src/domain/product-repository.ts'
import { batchedProductReader } from '../../src/infrastructure/batched-product-reader.ts'
import { postgresRememberedWrites } from '../../src/infrastructure/idempotency/remembered-writes.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresProductReader } from '../../src/infrastructure/postgres-product-reader.ts'
import { postgresProductRepository } from '../../src/infrastructure/postgres-product-repository.ts'
import { postgresProductStatistics } from '../../src/infrastructure/postgres-product-statistics.ts'
import type { Database, Tables } from '../../src/infrastructure/products-table.ts'
import { postgresConfigOf } from './config.ts'

/** The ports on a migrated, empty database, with that database and the events published so far. */
export type Store = Ports &
  Readonly<{ database: Database; published: PublishedProductEvent[] }> &
  AsyncDisposable

const createStore = async (database: Database, close: () => Promise<void>): Promise<Store> => {
  await migrations.apply(database)
  const events = eventHub<PublishedProductEvent>((error) => {
    throw error
  })
  const published: PublishedProductEvent[] = []
  events.subscribe((event) => published.push(event))
  return {
    database,
    events,
    published,
    products: postgresProductRepository(database, events.publish),
    reader: batchedProductReader(postgresProductReader(database)),
    statistics: postgresProductStatistics(database),
    rememberedWrites: postgresRememberedWrites(database),
    [Symbol.asyncDispose]: close,
  }
}

/** Opens a store in the memory of this process. */
const openPgliteStore = async (): Promise<Store> => {
  const pglite = await PGlite.create({ loadDataDir: await dataDir() })
  const database = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) })
  return createStore(database, () => database.destroy())
}

/** Opens the database of a server, without migrating it. */
export const openServerDatabase = (url: string, variables: Readonly<Record<string, string>> = {}) => {
  const database = openPostgres<Tables>(postgresConfigOf({ DATABASE_URL: url, ...variables }), silentLogger)
  return { database, [Symbol.asyncDispose]: () => database.destroy() }
}

/** Opens a store in a new schema of the PostgreSQL server. */
const openPostgresStore = async (): Promise<Store> => {
  const schema = await ownSchema()
  const { database } = openServerDatabase(schema.url)
  return createStore(database, async () => {
    await database.destroy()
    await schema[Symbol.asyncDispose]()
  })
}

/** The database engines that the ports support. Pass `skip` in the options of a suite or test. */
export const engines = [
  { engine: 'PGlite', open: openPgliteStore, skip: false },
  { engine: 'PostgreSQL', open: openPostgresStore, skip: withoutPostgres },
] as const

/** Opens the whole service on a new embedded store. It does not listen yet. */
export const openApp = async (
  config: Parameters<typeof createApp>[3] = {},
  { logger = silentLogger, metrics = createMetrics(service, version) } = {},
) => {
  const store = await openPgliteStore()
  const app = await createApp({ ports: store, dependencies: [] }, logger, metrics, config)
  return {
    ...app,
    store,
    startJobs: () => startJobs(app.jobs, { logger, metrics }),
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

/** Returns valid product fields with these overrides. */
export const fieldsOf = (overrides: Partial<ProductFields> = {}): ProductFields => ({
  name: 'Desk Lamp',
  description: 'LED, dimmable',
  price: 34_50n,
  stock: 5,
  category: 'Home',
  groupId: null,
  ...overrides,
})

/** Returns a new product for `ProductRepository.add`: valid fields with these overrides. */
export const creationOf = (overrides: Partial<ProductFields> = {}): Creation =>
  newProduct(fieldsOf(overrides))

/** Stores the result of `change`, without domain rules. Rejects with `not_found` for an unknown id. */
export const changeProduct = (
  products: Pick<ProductRepository, 'update'>,
  id: number,
  change: (product: Product) => Product,
): Promise<Product> =>
  products.update(id, (stored) => ({
    product: change(requireExisting(id, stored, 'anything')),
    events: [{ type: 'product_updated', changed: [] }],
  }))

/** Removes the product, whichever version is stored. Rejects with `not_found` for an unknown id. */
export const deleteProduct = (products: Pick<ProductRepository, 'update'>, id: number): Promise<void> =>
  products.update(id, (stored) => {
    requireExisting(id, stored, 'anything')
    return removeProduct()
  })

/** PGlite is PostgreSQL too, and takes two seconds to open, so it gets only the first of many similar cases. */
export const casesFor = <Case>(engine: string, cases: readonly Case[]): readonly Case[] =>
  engine === 'PGlite' ? cases.slice(0, 1) : cases
