import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { createLogger } from '@shop/platform/logging/logger.ts'
import { openForMigration } from '@shop/postgres/database.ts'
import { isUnusable } from '@shop/postgres/errors.ts'
import { type ProductConfig, readConfig } from '../config.ts'
import type { Database, Tables } from '../infrastructure/products-table.ts'

/** Opens the configured database (server or embedded), runs `use` on it, and closes it. */
export const withCatalog = async <Result>(
  use: (database: Database, config: ProductConfig) => Promise<Result>,
): Promise<Result> => {
  const config = readConfig({ LOG_LEVEL: 'warn', ...process.env })
  const logger = await createLogger({ service: 'db' }, config.logging)
  if (config.storage.kind === 'embedded') {
    // Imported only when needed, because images do not contain it.
    const { openEmbeddedPostgres } = await import('@shop/postgres/embedded.ts')
    await using embedded = await openEmbeddedPostgres<Tables>(config.storage.folder)
    return await use(embedded.database, config)
  }
  await using database = openForMigration<Tables>(config.storage.postgres, logger)
  try {
    return await use(database, config)
  } catch (error) {
    if (isUnusable(error))
      throw new OperatorError(`The database is unavailable: ${String(error)}`, { cause: error })
    throw error
  }
}

export const print = (text: string): void => void process.stdout.write(`${text}\n`)
