import type { Environment } from '@shop/platform/config/variables.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { readConfig } from '../../src/config.ts'

/** What the service makes of variables that name a server. */
export const postgresConfigOf = (variables: Environment): PostgresConfig => {
  const { storage } = readConfig(variables)
  if (storage.kind !== 'postgres') throw new Error('the variables name no server')
  return storage.postgres
}
