import type { Environment } from '@shop/platform/config/variables.ts'
import { createLogger } from '@shop/platform/logging/logger.ts'
import { createPrivateFiles } from '@shop/platform/private-files.ts'
import { openForMigration } from '@shop/postgres/database.ts'
import { type ProductConfig, readConfig } from '../config.ts'
import { postgresProductReader } from '../infrastructure/postgres-product-reader.ts'
import { postgresProductRepository } from '../infrastructure/postgres-product-repository.ts'
import type { Database, Tables } from '../infrastructure/products-table.ts'
import { seedSamples } from '../infrastructure/sample-products.ts'
import { explainOutages } from './outages.ts'

/** Reads the configuration of a program for the database. It has no callers, so it does not need to know who they are. */
export const readProgramConfig = (environment: Environment = {}): ProductConfig =>
  readConfig({ ...process.env, ...environment, AUTH: 'off' })

/** Opens the configured database (server or embedded), runs `use` on it, and closes it. */
export const withCatalog = async <Result>(
  use: (database: Database, config: ProductConfig) => Promise<Result>,
): Promise<Result> => {
  createPrivateFiles()
  const config = readProgramConfig({ LOG_LEVEL: process.env['LOG_LEVEL'] || 'warn' })
  const logger = await createLogger({ service: 'db' }, config.logging)
  if (config.storage.kind === 'embedded') {
    // Imported only when needed, because images do not contain it.
    const { openEmbeddedPostgres } = await import('@shop/postgres/embedded.ts')
    await using embedded = await openEmbeddedPostgres<Tables>(config.storage.folder)
    return await use(embedded.database, config)
  }
  await using database = openForMigration<Tables>(config.storage.postgres, logger)
  return await explainOutages(() => use(database, config))
}

export const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** Adds the sample products if the catalog is empty, and prints whether it was. */
export const addSamples = async (database: Database): Promise<void> => {
  const added = await seedSamples(
    postgresProductRepository(database, () => {}),
    postgresProductReader(database),
  )
  print(
    added > 0
      ? `Added ${added} sample products.`
      : 'The catalog already has products, so no samples were added. Set COUNT=1000 to add 1000 generated products.',
  )
}
