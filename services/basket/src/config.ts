import { join } from 'node:path'
import {
  type Environment,
  isOn,
  port,
  readVariables,
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
import { unencryptedTargets } from '@shop/platform/process/unencrypted.ts'
import { unencryptedHosts } from '@shop/redis/tls/unencrypted.ts'
import { type Static, Type } from 'typebox'
import type { StorageConfig } from './infrastructure/adapters.ts'
import type { ProductServiceConfig } from './infrastructure/product-service.ts'
import {
  productServiceConfigOf,
  productServiceProblems,
  productServiceVariables,
  unencryptedProductService,
} from './product-service-variables.ts'
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
  ...productServiceVariables,
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
    productService: ProductServiceConfig
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
    ...productServiceProblems(values),
    values.REDIS_URL === undefined && mustHavePassword(values, environment, 'REDIS_PASSWORD', 'REDIS_URL'),
  ])
  const storage = storageConfigOf(variables)
  const productService = productServiceConfigOf(variables)
  return {
    ...serviceSections(service, variables, secretsIn(basketVariables), 8080),
    unencrypted: unencryptedTargets(variables, [
      { target: 'Redis', hosts: storage.kind === 'redis' ? unencryptedHosts(storage.redis) : [] },
      unencryptedProductService(productService),
    ]),
    storage,
    ttlSeconds: variables.BASKET_TTL_SECONDS,
    newBasketsPerHour: variables.NEW_BASKETS_PER_HOUR,
    guests: isOn(variables.GUESTS),
    productService,
  }
}
