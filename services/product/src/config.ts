import { join } from 'node:path'
import {
  type Environment,
  isOn,
  mustBeFile,
  mustBeUrl,
  port,
  readVariables,
  secret,
  secretsIn,
  toggle,
} from '@shop/platform/config/variables.ts'
import { type ServiceConfig, serviceSections } from '@shop/platform/process/service-config.ts'
import {
  mustHavePassword,
  serviceProblems,
  serviceVariables,
  storageOf,
} from '@shop/platform/process/service-variables.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { type Static, Type } from 'typebox'
import type { StorageConfig } from './infrastructure/adapters.ts'

export const service = 'product-service'

const PostgresUrl = Type.Optional(
  Type.String({
    pattern: '^postgres(ql)?://[^/]+',
    description: 'a URL such as postgres://user:password@host:5432/database',
    ...secret,
  }),
)

/** Every variable that the product service reads; the README's table explains them. */
export const productVariables = Type.Object({
  PORT: port(8080),
  GRPC_PORT: port(50050),
  ...serviceVariables,
  STORAGE: Type.Enum(['auto', 'embedded', 'postgres'], { default: 'auto' }),
  DATABASE_URL: PostgresUrl,
  DB_HOST: Type.Optional(Type.String()),
  DB_PORT: port(5432),
  DB_USER: Type.String({ default: 'postgres' }),
  DB_PASSWORD: Type.Optional(Type.String(secret)),
  DB_NAME: Type.String({ default: 'obs_tools' }),
  DB_SSLMODE: Type.Enum(['disable', 'require', 'verify-full'], { default: 'disable' }),
  DB_SSLROOTCERT: Type.Optional(Type.String()),
  DB_POOL_SIZE: Type.Integer({ minimum: 1, maximum: 1_000, default: 10 }),
  DB_PGBOUNCER: toggle('off'),
  DB_REPLICA_URL: PostgresUrl,
  MIGRATE: toggle('on'),
  REFLECTION: toggle('on'),
})

type Variables = Static<typeof productVariables>

export type ProductConfig = ServiceConfig &
  Readonly<{
    grpc: Readonly<{ port: number; reflection: boolean }>
    production: boolean
    storage: StorageConfig
  }>

const storageIn = (given: Variables) => storageOf(given, 'postgres', given.DATABASE_URL ?? given.DB_HOST)

const problems = (given: Variables, environment: Environment): readonly (string | false)[] => [
  ...serviceProblems(given),
  mustBeUrl('DATABASE_URL', given.DATABASE_URL),
  mustBeUrl('DB_REPLICA_URL', given.DB_REPLICA_URL),
  given.WORKERS !== '1' &&
    storageIn(given) === 'embedded' &&
    'WORKERS must be 1 with embedded storage: only one process can open its folder',
  given.PORT === given.GRPC_PORT && 'PORT and GRPC_PORT must differ',
  given.DATABASE_URL === undefined && mustHavePassword(given, environment, 'DB_PASSWORD', 'DATABASE_URL'),
  mustBeFile('DB_SSLROOTCERT', given.DB_SSLROOTCERT),
]

const postgresOf = (given: Variables): PostgresConfig => ({
  applicationName: service,
  address:
    given.DATABASE_URL === undefined
      ? {
          host: given.DB_HOST ?? 'localhost',
          port: given.DB_PORT,
          user: given.DB_USER,
          password: given.DB_PASSWORD ?? '',
          database: given.DB_NAME,
        }
      : { url: given.DATABASE_URL },
  tls: { mode: given.DB_SSLMODE, rootCertificate: given.DB_SSLROOTCERT },
  poolSize: given.DB_POOL_SIZE,
  pgBouncer: isOn(given.DB_PGBOUNCER),
  replicaUrl: given.DB_REPLICA_URL,
})

/** Throws `ConfigError`. */
export const readConfig = (environment: Environment): ProductConfig => {
  const given = readVariables(productVariables, environment, (variables) => problems(variables, environment))
  const production = given.ENVIRONMENT === 'production'
  return {
    ...serviceSections(service, given, secretsIn(productVariables)),
    grpc: { port: given.GRPC_PORT, reflection: isOn(given.REFLECTION) },
    production,
    storage:
      storageIn(given) === 'embedded'
        ? { kind: 'embedded', folder: join(given.DATA_DIR, 'products'), samples: !production }
        : { kind: 'postgres', postgres: postgresOf(given), migrate: isOn(given.MIGRATE) },
  }
}
