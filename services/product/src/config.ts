import { join } from 'node:path'
import {
  type Environment,
  isOn,
  mustBeFile,
  optionalToggle,
  port,
  readVariables,
  secret,
  secretsIn,
  toggle,
} from '@shop/platform/config/variables.ts'
import { defaultLimits } from '@shop/platform/limits/limits.ts'
import {
  offInProduction,
  type ServiceConfig,
  serviceSections,
} from '@shop/platform/process/service-config.ts'
import {
  mustHavePassword,
  serviceProblems,
  serviceVariables,
  storageOf,
} from '@shop/platform/process/service-variables.ts'
import { type Unencrypted, unencryptedTargets } from '@shop/platform/process/unencrypted.ts'
import type { PostgresAddress } from '@shop/postgres/address.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { hostsIn, splitUrl } from '@shop/postgres/hosts/host-list.ts'
import { mustBeHosts, primaryUrlProblems, replicaUrlProblems } from '@shop/postgres/hosts/rules.ts'
import { unencryptedHosts } from '@shop/postgres/tls/unencrypted.ts'
import { type Static, Type } from 'typebox'
import type { StorageConfig } from './infrastructure/adapters.ts'

export const service = 'product-service'

const PostgresUrl = Type.Optional(
  Type.String({
    pattern: '^postgres(ql)?://[^/]+',
    description: 'a URL such as postgres://host:5432/database, optionally with user and password',
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
  REFLECTION: optionalToggle,
  MAX_CALLS: Type.Integer({ minimum: 10, maximum: 100_000, default: defaultLimits.maxCalls }),
})

type Variables = Static<typeof productVariables>

export type ProductConfig = ServiceConfig &
  Readonly<{
    grpc: Readonly<{ port: number; reflection: boolean; trustProxy: string }>
    production: boolean
    storage: StorageConfig
  }>

const storageKindOf = (variables: Variables) =>
  storageOf(variables, 'postgres', variables.DATABASE_URL ?? variables.DB_HOST)

const problems = (variables: Variables, environment: Environment): readonly (string | false)[] => [
  ...serviceProblems(variables),
  ...primaryUrlProblems('DATABASE_URL', variables.DATABASE_URL),
  ...replicaUrlProblems('DB_REPLICA_URL', variables.DB_REPLICA_URL),
  mustBeHosts('DB_HOST', variables.DB_HOST),
  variables.WORKERS !== '1' &&
    storageKindOf(variables) === 'embedded' &&
    'WORKERS must be 1 with embedded storage: only one process can open its folder',
  variables.PORT === variables.GRPC_PORT && 'PORT and GRPC_PORT must differ',
  variables.OPERATIONS_PORT === variables.GRPC_PORT && 'OPERATIONS_PORT and GRPC_PORT must differ',
  variables.DATABASE_URL === undefined &&
    mustHavePassword(variables, environment, 'DB_PASSWORD', 'DATABASE_URL'),
  mustBeFile('DB_SSLROOTCERT', variables.DB_SSLROOTCERT),
]

const addressOf = (variables: Variables): PostgresAddress => {
  const { DATABASE_URL: url, DB_HOST: host = 'localhost' } = variables
  if (url !== undefined) return splitUrl(url) ?? { url }
  const hosts = hostsIn(host, variables.DB_PORT) ?? [{ host, port: variables.DB_PORT }]
  return {
    ...hosts[0],
    user: variables.DB_USER,
    password: variables.DB_PASSWORD ?? '',
    database: variables.DB_NAME,
    ...(hosts.length > 1 && { hosts }),
  }
}

const postgresOf = (variables: Variables): PostgresConfig => ({
  applicationName: service,
  address: addressOf(variables),
  tls: { mode: variables.DB_SSLMODE, rootCertificate: variables.DB_SSLROOTCERT },
  poolSize: variables.DB_POOL_SIZE,
  pgBouncer: isOn(variables.DB_PGBOUNCER),
  replicaUrl: variables.DB_REPLICA_URL,
})

const unencryptedIn = (variables: Variables): readonly Unencrypted[] => {
  const { address, tls, replicaUrl: url } = postgresOf(variables)
  const hostsOf = (server: PostgresAddress) =>
    storageKindOf(variables) === 'postgres' ? unencryptedHosts(server, tls) : []
  return unencryptedTargets(variables, [
    { target: 'PostgreSQL', hosts: hostsOf(address) },
    { target: 'PostgreSQL replica', hosts: url === undefined ? [] : hostsOf({ url }) },
  ])
}

/** Reads the configuration from the environment. Throws a `ConfigError` that lists every problem. */
export const readConfig = (environment: Environment): ProductConfig => {
  const variables = readVariables(productVariables, environment, (values) => problems(values, environment))
  const production = variables.ENVIRONMENT === 'production'
  const sections = serviceSections(service, variables, secretsIn(productVariables), 8081)
  const { trustProxy } = sections.http
  return {
    ...sections,
    limits: { ...sections.limits, maxCalls: variables.MAX_CALLS },
    unencrypted: unencryptedIn(variables),
    grpc: {
      port: variables.GRPC_PORT,
      reflection: isOn(variables.REFLECTION ?? offInProduction(variables, 'on')),
      trustProxy,
    },
    production,
    storage:
      storageKindOf(variables) === 'embedded'
        ? { kind: 'embedded', folder: join(variables.DATA_DIR, 'products'), samples: !production }
        : { kind: 'postgres', postgres: postgresOf(variables), migrate: isOn(variables.MIGRATE) },
  }
}
