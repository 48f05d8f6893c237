import { join } from 'node:path'
import { mustBeTokenFile, type TokenFileConfig } from '@shop/platform/auth/token-file.ts'
import {
  type Environment,
  isOn,
  port,
  readVariables,
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
import { unencryptedHosts } from '@shop/redis/tls/unencrypted.ts'
import { type Static, Type } from 'typebox'
import type { StorageConfig } from './infrastructure/adapters.ts'
import { redisConfigOf, redisProblems, redisVariables } from './redis-variables.ts'

export const service = 'basket-service'

/** Every variable that the basket service reads; the README's table explains them. */
export const basketVariables = Type.Object({
  PORT: port(8081),
  ...serviceVariables,
  STORAGE: Type.Enum(['auto', 'embedded', 'redis'], { default: 'auto' }),
  ...redisVariables,
  BASKET_TTL_SECONDS: Type.Integer({ minimum: 1, maximum: 31_536_000, default: 86_400 }),
  NEW_BASKETS_PER_HOUR: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 3_000 }),
  PRODUCT_SERVICE_URL: grpcAddress('localhost:50050'),
  GUESTS: toggle('on'),
  PRODUCT_SERVICE_TOKEN_FILE: Type.Optional(Type.String()),
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
    /** The file with the API key or token for the product service; undefined if it asks for none. */
    productServiceToken: TokenFileConfig | undefined
  }>

const storageConfigOf = (variables: Variables): StorageConfig => {
  const address = variables.REDIS_URL ?? variables.REDIS_CLUSTER_NODES ?? variables.REDIS_HOST
  return storageOf(variables, 'redis', address) === 'redis'
    ? { kind: 'redis', redis: redisConfigOf(service, variables) }
    : { kind: 'embedded', file: join(variables.DATA_DIR, 'baskets.sqlite') }
}

/** Reads the configuration from the environment. Throws a `ConfigError` that lists every problem. */
export const readConfig = (environment: Environment): BasketConfig => {
  const variables = readVariables(basketVariables, environment, (values) => [
    ...serviceProblems(values),
    ...redisProblems(values),
    mustBeTokenFile('PRODUCT_SERVICE_TOKEN_FILE', values.PRODUCT_SERVICE_TOKEN_FILE),
    values.REDIS_URL === undefined && mustHavePassword(values, environment, 'REDIS_PASSWORD', 'REDIS_URL'),
  ])
  const storage = storageConfigOf(variables)
  const { PRODUCT_SERVICE_TOKEN_FILE: path } = variables
  return {
    ...serviceSections(service, variables, secretsIn(basketVariables), 8080),
    unencrypted: unencryptedTargets(variables, [
      { target: 'Redis', hosts: storage.kind === 'redis' ? unencryptedHosts(storage.redis) : [] },
      {
        target: `product service${path === undefined ? '' : ', with the token in PRODUCT_SERVICE_TOKEN_FILE'}`,
        hosts: unencryptedServers(variables.PRODUCT_SERVICE_URL),
      },
    ]),
    storage,
    ttlSeconds: variables.BASKET_TTL_SECONDS,
    newBasketsPerHour: variables.NEW_BASKETS_PER_HOUR,
    guests: isOn(variables.GUESTS),
    productService: variables.PRODUCT_SERVICE_URL,
    productServiceToken: path === undefined ? undefined : { variable: 'PRODUCT_SERVICE_TOKEN_FILE', path },
  }
}
