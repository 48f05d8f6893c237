import { statSync } from 'node:fs'
import {
  commonProblems,
  commonVariables,
  type Environment,
  port,
  readVariables,
  storageOf,
} from '@shop/platform/config.ts'
import { type Static, Type } from 'typebox'

const PostgresUrl = Type.String({
  pattern: '^postgres(ql)?://[^/]+',
  description: 'a URL such as postgres://user:password@host:5432/database',
})

/** Every variable that the product service reads; the README's table explains them. */
export const productVariables = Type.Object({
  PORT: port(8080),
  GRPC_PORT: port(50050),
  ...commonVariables,
  STORAGE: Type.Enum(['auto', 'embedded', 'postgres'], { default: 'auto' }),
  DATABASE_URL: Type.Optional(PostgresUrl),
  DB_HOST: Type.Optional(Type.String()),
  DB_PORT: port(5432),
  DB_USER: Type.String({ default: 'postgres' }),
  DB_PASSWORD: Type.Optional(Type.String()),
  DB_NAME: Type.String({ default: 'obs_tools' }),
  DB_SSLMODE: Type.Enum(['disable', 'require', 'verify-full'], { default: 'disable' }),
  DB_SSLROOTCERT: Type.Optional(Type.String()),
  DB_POOL_SIZE: Type.Integer({ minimum: 1, maximum: 1_000, default: 10 }),
  DB_PGBOUNCER: Type.Enum(['off', 'on'], { default: 'off' }),
  DB_REPLICA_URL: Type.Optional(PostgresUrl),
  MIGRATE: Type.Enum(['on', 'off'], { default: 'on' }),
  REFLECTION: Type.Enum(['on', 'off'], { default: 'on' }),
})

export type ProductConfig = Static<typeof productVariables> & Readonly<{ STORAGE: 'embedded' | 'postgres' }>

/** Throws `ConfigError`. */
export const readConfig = (environment: Environment): ProductConfig => {
  const variables = readVariables(productVariables, environment, (given) => [
    ...commonProblems(given),
    given.DATABASE_URL !== undefined && !URL.canParse(given.DATABASE_URL) && 'DATABASE_URL must be a URL',
    given.DB_REPLICA_URL !== undefined &&
      !URL.canParse(given.DB_REPLICA_URL) &&
      'DB_REPLICA_URL must be a URL',
    given.WORKERS !== '1' &&
      storageOf(given, 'postgres', given.DATABASE_URL ?? given.DB_HOST) === 'embedded' &&
      'WORKERS must be 1 with embedded storage: one process alone may open its folder',
    given.PORT === given.GRPC_PORT && 'PORT and GRPC_PORT must differ',
    given.ENVIRONMENT === 'production' &&
      given.STORAGE !== 'embedded' &&
      given.DATABASE_URL === undefined &&
      environment['DB_PASSWORD'] === undefined &&
      'DB_PASSWORD must be set in production (DB_PASSWORD= says that there is none), or DATABASE_URL',
    given.DB_SSLROOTCERT !== undefined &&
      !statSync(given.DB_SSLROOTCERT, { throwIfNoEntry: false })?.isFile() &&
      'DB_SSLROOTCERT must name a file that is there',
  ])
  return {
    ...variables,
    STORAGE: storageOf(variables, 'postgres', variables.DATABASE_URL ?? variables.DB_HOST),
  }
}
