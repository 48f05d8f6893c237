import { PGlite } from '@electric-sql/pglite'
import { dataDir } from '@electric-sql/pglite-prepopulatedfs'
import { openPostgres } from '@shop/postgres/database.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { Kysely, PGliteDialect } from 'kysely'
import { createApp } from '../../src/app.ts'
import type { Ports } from '../../src/domain/ports.ts'
import type { ProductFields } from '../../src/domain/product.ts'
import { batchedProductReader } from '../../src/infrastructure/batched-product-reader.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresProductReader } from '../../src/infrastructure/postgres-product-reader.ts'
import { postgresProductRepository } from '../../src/infrastructure/postgres-product-repository.ts'
import { postgresProductStatistics } from '../../src/infrastructure/postgres-product-statistics.ts'
import type { Database, Tables } from '../../src/infrastructure/products-table.ts'
import { postgresConfigOf } from './config.ts'

/** The ports on a migrated, empty database, and the database itself for what the ports do not offer. */
export type Store = Ports & Readonly<{ database: Database }> & AsyncDisposable

const storeOn = async (database: Database, close: () => Promise<void>): Promise<Store> => {
  await migrations.apply(database)
  return {
    database,
    products: postgresProductRepository(database),
    reader: batchedProductReader(postgresProductReader(database)),
    statistics: postgresProductStatistics(database),
    [Symbol.asyncDispose]: close,
  }
}

/** In the memory of this process. */
const onPglite = async (): Promise<Store> => {
  const pglite = await PGlite.create({ loadDataDir: await dataDir() })
  const database = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) })
  return storeOn(database, () => database.destroy())
}

/** On the real server, in a schema of its own. */
const onPostgres = async (): Promise<Store> => {
  const schema = await ownSchema()
  const database = openPostgres<Tables>(postgresConfigOf({ DATABASE_URL: schema.url }), silentLogger)
  return storeOn(database, async () => {
    await database.destroy()
    await schema[Symbol.asyncDispose]()
  })
}

/** Every engine that the ports run on; `skip` is for a suite's options. */
export const engines = [
  { engine: 'PGlite', open: onPglite, skip: false },
  { engine: 'PostgreSQL', open: onPostgres, skip: withoutPostgres },
] as const

/** The whole service on an embedded store of its own, not listening yet. */
export const openApp = async (config: Parameters<typeof createApp>[3] = {}) => {
  const store = await onPglite()
  const app = await createApp({ ports: store, dependencies: [] }, silentLogger, undefined, config)
  return {
    ...app,
    store,
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

export const fieldsOf = (given: Partial<ProductFields> = {}): ProductFields => ({
  name: 'Desk Lamp',
  description: 'LED, dimmable',
  price: 34_50n,
  stock: 5,
  category: 'Home',
  ...given,
})
