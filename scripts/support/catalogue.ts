import { createLogger } from '@shop/platform/logger.ts'
import { OperatorError } from '@shop/platform/operator-error.ts'
import { type ProductConfig, readConfig } from '../../services/product/src/config.ts'
import { openForMigration } from '../../services/product/src/infrastructure/database.ts'
import { isUnusable } from '../../services/product/src/infrastructure/postgres-errors.ts'
import type { Database } from '../../services/product/src/infrastructure/products-table.ts'

/** Runs one function on the database that the environment names, or on the embedded one, and closes it. */
export const withCatalogue = async <Result>(
  use: (database: Database, config: ProductConfig) => Promise<Result>,
): Promise<Result> => {
  const config = readConfig(process.env)
  const logger = await createLogger('db', { LOG_LEVEL: 'warn', ...config })
  if (config.STORAGE === 'embedded') {
    // Loaded only here: images come without it.
    const { openEmbedded } = await import('../../services/product/src/infrastructure/embedded-database.ts')
    await using embedded = await openEmbedded(config.DATA_DIR)
    return await use(embedded.database, config)
  }
  await using database = openForMigration(config, logger)
  try {
    return await use(database, config)
  } catch (error) {
    if (isUnusable(error))
      throw new OperatorError(`The database cannot be used: ${String(error)}`, { cause: error })
    throw error
  }
}

export const say = (text: string): void => void process.stdout.write(`${text}\n`)
