import {
  commonProblems,
  commonVariables,
  type Environment,
  port,
  readVariables,
  storageOf,
} from '@shop/platform/config.ts'
import { grpcAddress } from '@shop/platform/grpc-channel.ts'
import { type Static, Type } from 'typebox'

/** Every variable that the basket service reads; the README's table explains them. */
export const basketVariables = Type.Object({
  PORT: port(8081),
  ...commonVariables,
  STORAGE: Type.Enum(['auto', 'embedded', 'redis'], { default: 'auto' }),
  REDIS_URL: Type.Optional(
    Type.String({ pattern: '^rediss?://[^/]+(/[0-9]*)?$', description: 'a URL such as redis://host:6379/0' }),
  ),
  REDIS_HOST: Type.Optional(Type.String()),
  REDIS_PORT: port(6379),
  REDIS_PASSWORD: Type.Optional(Type.String()),
  REDIS_DB: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
  BASKET_TTL_SECONDS: Type.Integer({ minimum: 1, maximum: 31_536_000, default: 86_400 }),
  PRODUCT_SERVICE_URL: grpcAddress('localhost:50050'),
})

export type BasketConfig = Static<typeof basketVariables> & Readonly<{ STORAGE: 'embedded' | 'redis' }>

/** Throws `ConfigError`. */
export const readConfig = (environment: Environment): BasketConfig => {
  const variables = readVariables(basketVariables, environment, (given) => [
    ...commonProblems(given),
    given.REDIS_URL !== undefined && !URL.canParse(given.REDIS_URL) && 'REDIS_URL must be a URL',
    given.ENVIRONMENT === 'production' &&
      given.STORAGE !== 'embedded' &&
      given.REDIS_URL === undefined &&
      environment['REDIS_PASSWORD'] === undefined &&
      'REDIS_PASSWORD must be set in production (REDIS_PASSWORD= says that there is none), or REDIS_URL',
  ])
  return { ...variables, STORAGE: storageOf(variables, 'redis', variables.REDIS_URL ?? variables.REDIS_HOST) }
}
