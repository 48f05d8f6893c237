import type { Environment } from '@shop/platform/config/variables.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { readConfig } from '../../src/config.ts'

/** Returns the PostgreSQL configuration that the service reads from these variables. */
export const postgresConfigOf = (variables: Environment): PostgresConfig => {
  const { storage } = readConfig(variables)
  if (storage.kind !== 'postgres') throw new Error('the variables name no PostgreSQL server')
  return storage.postgres
}
