import { join } from 'node:path'
import { addressesIn, hostPort } from '@shop/platform/config/addresses.ts'
import {
  type Environment,
  isOn,
  mustBeFile,
  port,
  readVariables,
  secret,
  secretsIn,
  toggle,
} from '@shop/platform/config/variables.ts'
import { grpcAddress } from '@shop/platform/grpc/channel.ts'
import { type ServiceConfig, serviceSections } from '@shop/platform/process/service-config.ts'
import {
  mustHavePassword,
  serviceProblems,
  serviceVariables,
  storageOf,
} from '@shop/platform/process/service-variables.ts'
import type { RedisConfig } from '@shop/redis/connection.ts'
import { type Static, Type } from 'typebox'
import type { StorageConfig } from './infrastructure/adapters.ts'

export const service = 'basket-service'

/** Every variable that the basket service reads; the README's table explains them. */
export const basketVariables = Type.Object({
  PORT: port(8081),
  ...serviceVariables,
  STORAGE: Type.Enum(['auto', 'embedded', 'redis'], { default: 'auto' }),
  REDIS_URL: Type.Optional(
    Type.String({
      pattern: '^rediss?://[^/]+(/[0-9]*)?$',
      description: 'a URL such as redis://host:6379/0',
      ...secret,
    }),
  ),
  REDIS_HOST: Type.Optional(Type.String()),
  REDIS_PORT: port(6379),
  REDIS_CLUSTER_NODES: Type.Optional(
    Type.String({
      pattern: `^${hostPort}(,${hostPort}){0,99}$`,
      description: 'host:port,host:port,… with at most 100 nodes',
    }),
  ),
  REDIS_USERNAME: Type.Optional(Type.String()),
  REDIS_PASSWORD: Type.Optional(Type.String(secret)),
  REDIS_DB: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
  REDIS_TLS: toggle('off'),
  REDIS_TLS_CA: Type.Optional(Type.String()),
  BASKET_WAIT_REPLICAS: Type.Integer({ minimum: 0, maximum: 100, default: 0 }),
  BASKET_TTL_SECONDS: Type.Integer({ minimum: 1, maximum: 31_536_000, default: 86_400 }),
  PRODUCT_SERVICE_URL: grpcAddress('localhost:50050'),
})

type Variables = Static<typeof basketVariables>

export type BasketConfig = ServiceConfig &
  Readonly<{
    storage: StorageConfig
    ttlSeconds: number
    /** Where the product service is, as a `grpcAddress`. */
    productService: string
  }>

/** Its user and password may have escapes such as %40, which must be whole. */
const isReadable = (url: string): boolean => {
  try {
    const { username, password } = new URL(url)
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}

/** What is wrong with the way to Redis, but for what the variables tell one by one. */
const redisProblems = (given: Variables): (string | false)[] => {
  const { REDIS_URL: url, REDIS_CLUSTER_NODES: nodes } = given
  const clustered = nodes !== undefined
  return [
    url !== undefined && !isReadable(url) && 'REDIS_URL must be a URL',
    url?.startsWith('redis:') === true &&
      given.REDIS_TLS === 'on' &&
      'REDIS_URL must begin with rediss: when REDIS_TLS is on',
    clustered && url !== undefined && 'REDIS_CLUSTER_NODES must not be set together with REDIS_URL',
    clustered &&
      given.REDIS_HOST !== undefined &&
      'REDIS_CLUSTER_NODES must not be set together with REDIS_HOST',
    clustered &&
      given.REDIS_DB !== 0 &&
      'REDIS_DB must be 0 with REDIS_CLUSTER_NODES: a cluster has only database 0',
    mustBeFile('REDIS_TLS_CA', given.REDIS_TLS_CA),
  ]
}

const targetOf = (given: Variables): RedisConfig['target'] => {
  if (given.REDIS_CLUSTER_NODES !== undefined) return { nodes: addressesIn(given.REDIS_CLUSTER_NODES) }
  if (given.REDIS_URL !== undefined) return { url: given.REDIS_URL }
  return { host: given.REDIS_HOST ?? 'localhost', port: given.REDIS_PORT, database: given.REDIS_DB }
}

const redisOf = (given: Variables): RedisConfig => ({
  clientName: service,
  storeName: 'the basket store',
  target: targetOf(given),
  username: given.REDIS_USERNAME,
  password: given.REDIS_PASSWORD,
  tls: isOn(given.REDIS_TLS),
  certificateAuthority: given.REDIS_TLS_CA,
  waitReplicas: given.BASKET_WAIT_REPLICAS,
})

const storageIn = (given: Variables): StorageConfig => {
  const server = given.REDIS_URL ?? given.REDIS_CLUSTER_NODES ?? given.REDIS_HOST
  return storageOf(given, 'redis', server) === 'redis'
    ? { kind: 'redis', redis: redisOf(given) }
    : { kind: 'embedded', file: join(given.DATA_DIR, 'baskets.sqlite') }
}

/** Throws `ConfigError`. */
export const readConfig = (environment: Environment): BasketConfig => {
  const given = readVariables(basketVariables, environment, (variables) => [
    ...serviceProblems(variables),
    ...redisProblems(variables),
    variables.REDIS_URL === undefined &&
      mustHavePassword(variables, environment, 'REDIS_PASSWORD', 'REDIS_URL'),
  ])
  return {
    ...serviceSections(service, given, secretsIn(basketVariables)),
    storage: storageIn(given),
    ttlSeconds: given.BASKET_TTL_SECONDS,
    productService: given.PRODUCT_SERVICE_URL,
  }
}
