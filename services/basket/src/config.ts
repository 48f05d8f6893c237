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
import { grpcAddress, unencryptedServers } from '@shop/platform/grpc/channel.ts'
import { type ServiceConfig, serviceSections } from '@shop/platform/process/service-config.ts'
import {
  mustHavePassword,
  serviceProblems,
  serviceVariables,
  storageOf,
} from '@shop/platform/process/service-variables.ts'
import { unencryptedTargets } from '@shop/platform/process/unencrypted.ts'
import type { RedisConfig } from '@shop/redis/connection.ts'
import { unencryptedHosts } from '@shop/redis/tls/unencrypted.ts'
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
  NEW_BASKETS_PER_HOUR: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 3_000 }),
  PRODUCT_SERVICE_URL: grpcAddress('localhost:50050'),
  GUESTS: toggle('on'),
})

type Variables = Static<typeof basketVariables>

export type BasketConfig = ServiceConfig &
  Readonly<{
    storage: StorageConfig
    ttlSeconds: number
    /** How many baskets one client may create per hour; 0 for no limit. */
    newBasketsPerHour: number
    /** Whether guests may have baskets. */
    guests: boolean
    /** The address of the product service, in one of the forms that `grpcAddress` allows. */
    productService: string
  }>

/** Whether the URL parses, including escapes such as %40 in its user name and password. */
const isValidUrl = (url: string): boolean => {
  try {
    const { username, password } = new URL(url)
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}

/** Problems of the Redis variables that their schemas cannot express. */
const redisProblems = (variables: Variables): (string | false)[] => {
  const { REDIS_URL: url, REDIS_HOST: host, REDIS_CLUSTER_NODES: nodes } = variables
  const isCluster = nodes !== undefined
  return [
    url !== undefined && !isValidUrl(url) && 'REDIS_URL must be a URL',
    host !== undefined &&
      /[,/]|^[^:]*:[^:]*$/.test(host) &&
      'REDIS_HOST must be one host without a port; the port is REDIS_PORT',
    url?.startsWith('redis:') === true &&
      variables.REDIS_TLS === 'on' &&
      'REDIS_URL must begin with rediss: when REDIS_TLS is on',
    isCluster && url !== undefined && 'REDIS_CLUSTER_NODES must not be set together with REDIS_URL',
    isCluster && host !== undefined && 'REDIS_CLUSTER_NODES must not be set together with REDIS_HOST',
    isCluster &&
      variables.REDIS_DB !== 0 &&
      'REDIS_DB must be 0 with REDIS_CLUSTER_NODES: a cluster has only database 0',
    mustBeFile('REDIS_TLS_CA', variables.REDIS_TLS_CA),
  ]
}

const redisTargetOf = (variables: Variables): RedisConfig['target'] => {
  if (variables.REDIS_CLUSTER_NODES !== undefined)
    return { nodes: addressesIn(variables.REDIS_CLUSTER_NODES) }
  if (variables.REDIS_URL !== undefined) return { url: variables.REDIS_URL }
  const { REDIS_HOST = 'localhost', REDIS_PORT, REDIS_DB } = variables
  return { host: REDIS_HOST, port: REDIS_PORT, database: REDIS_DB }
}

const redisConfigOf = (variables: Variables): RedisConfig => ({
  clientName: service,
  storeName: 'the basket store',
  target: redisTargetOf(variables),
  username: variables.REDIS_USERNAME,
  password: variables.REDIS_PASSWORD,
  tls: isOn(variables.REDIS_TLS),
  certificateAuthority: variables.REDIS_TLS_CA,
  waitReplicas: variables.BASKET_WAIT_REPLICAS,
})

const storageConfigOf = (variables: Variables): StorageConfig => {
  const address = variables.REDIS_URL ?? variables.REDIS_CLUSTER_NODES ?? variables.REDIS_HOST
  return storageOf(variables, 'redis', address) === 'redis'
    ? { kind: 'redis', redis: redisConfigOf(variables) }
    : { kind: 'embedded', file: join(variables.DATA_DIR, 'baskets.sqlite') }
}

/** Reads the configuration from the environment. Throws a `ConfigError` that lists every problem. */
export const readConfig = (environment: Environment): BasketConfig => {
  const variables = readVariables(basketVariables, environment, (values) => [
    ...serviceProblems(values),
    ...redisProblems(values),
    values.REDIS_URL === undefined && mustHavePassword(values, environment, 'REDIS_PASSWORD', 'REDIS_URL'),
  ])
  const storage = storageConfigOf(variables)
  return {
    ...serviceSections(service, variables, secretsIn(basketVariables), 8080),
    unencrypted: unencryptedTargets(variables, [
      { target: 'Redis', hosts: storage.kind === 'redis' ? unencryptedHosts(storage.redis) : [] },
      { target: 'product service', hosts: unencryptedServers(variables.PRODUCT_SERVICE_URL) },
    ]),
    storage,
    ttlSeconds: variables.BASKET_TTL_SECONDS,
    newBasketsPerHour: variables.NEW_BASKETS_PER_HOUR,
    guests: isOn(variables.GUESTS),
    productService: variables.PRODUCT_SERVICE_URL,
  }
}
