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

/** All environment variables of the product service. The README documents them. */
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

const storageKindOf = (variables: Variables) =>
  storageOf(variables, 'postgres', variables.DATABASE_URL ?? variables.DB_HOST)

/**
 * A rule: the URL names a database. Drivers would otherwise use the database that is named after the user, and
 * the service would create its tables there.
 */
const mustNameDatabase = (name: string, url: string | undefined): string | false =>
  url !== undefined &&
  URL.canParse(url) &&
  new URL(url).pathname.length < 2 &&
  `${name} must name a database, as in postgres://user@host:5432/database`

const problems = (variables: Variables, environment: Environment): readonly (string | false)[] => [
  ...serviceProblems(variables),
  mustBeUrl('DATABASE_URL', variables.DATABASE_URL),
  mustNameDatabase('DATABASE_URL', variables.DATABASE_URL),
  mustBeUrl('DB_REPLICA_URL', variables.DB_REPLICA_URL),
  mustNameDatabase('DB_REPLICA_URL', variables.DB_REPLICA_URL),
  variables.WORKERS !== '1' &&
    storageKindOf(variables) === 'embedded' &&
    'WORKERS must be 1 with embedded storage: only one process can open its folder',
  variables.PORT === variables.GRPC_PORT && 'PORT and GRPC_PORT must differ',
  variables.DATABASE_URL === undefined &&
    mustHavePassword(variables, environment, 'DB_PASSWORD', 'DATABASE_URL'),
  mustBeFile('DB_SSLROOTCERT', variables.DB_SSLROOTCERT),
]

const postgresOf = (variables: Variables): PostgresConfig => ({
  applicationName: service,
  address:
    variables.DATABASE_URL === undefined
      ? {
          host: variables.DB_HOST ?? 'localhost',
          port: variables.DB_PORT,
          user: variables.DB_USER,
          password: variables.DB_PASSWORD ?? '',
          database: variables.DB_NAME,
        }
      : { url: variables.DATABASE_URL },
  tls: { mode: variables.DB_SSLMODE, rootCertificate: variables.DB_SSLROOTCERT },
  poolSize: variables.DB_POOL_SIZE,
  pgBouncer: isOn(variables.DB_PGBOUNCER),
  replicaUrl: variables.DB_REPLICA_URL,
})

/** Reads the configuration from the environment. Throws a `ConfigError` that lists every problem. */
export const readConfig = (environment: Environment): ProductConfig => {
  const variables = readVariables(productVariables, environment, (values) => problems(values, environment))
  const production = variables.ENVIRONMENT === 'production'
  return {
    ...serviceSections(service, variables, secretsIn(productVariables)),
    grpc: { port: variables.GRPC_PORT, reflection: isOn(variables.REFLECTION) },
    production,
    storage:
      storageKindOf(variables) === 'embedded'
        ? { kind: 'embedded', folder: join(variables.DATA_DIR, 'products'), samples: !production }
        : { kind: 'postgres', postgres: postgresOf(variables), migrate: isOn(variables.MIGRATE) },
  }
}
