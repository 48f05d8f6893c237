import { statSync } from 'node:fs'
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

/** A host and a port, as a pattern. */
const node = '([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:]+\\]):[0-9]{1,5}'

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
  REDIS_CLUSTER_NODES: Type.Optional(
    Type.String({
      pattern: `^${node}(,${node}){0,99}$`,
      description: 'host:port,host:port,…, 100 nodes at most',
    }),
  ),
  REDIS_USERNAME: Type.Optional(Type.String()),
  REDIS_PASSWORD: Type.Optional(Type.String()),
  REDIS_DB: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
  REDIS_TLS: Type.Enum(['off', 'on'], { default: 'off' }),
  REDIS_TLS_CA: Type.Optional(Type.String()),
  BASKET_WAIT_REPLICAS: Type.Integer({ minimum: 0, maximum: 100, default: 0 }),
  BASKET_TTL_SECONDS: Type.Integer({ minimum: 1, maximum: 31_536_000, default: 86_400 }),
  PRODUCT_SERVICE_URL: grpcAddress('localhost:50050'),
})

export type BasketConfig = Static<typeof basketVariables> & Readonly<{ STORAGE: 'embedded' | 'redis' }>

/** The entries of REDIS_CLUSTER_NODES. */
export const clusterNodes = (text: string): { host: string; port: number }[] =>
  text.split(',').map((entry) => {
    const [, host = '', digits] = /^\[?(.*?)\]?:(\d+)$/.exec(entry) ?? []
    return { host, port: Number(digits) }
  })

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
const redisProblems = (given: Static<typeof basketVariables>): (string | false)[] => {
  const { REDIS_URL: url, REDIS_CLUSTER_NODES: nodes, REDIS_TLS_CA: authority } = given
  const clustered = nodes !== undefined
  return [
    url !== undefined && !isReadable(url) && 'REDIS_URL must be a URL',
    url?.startsWith('redis:') === true &&
      given.REDIS_TLS === 'on' &&
      'REDIS_URL must begin with rediss: when REDIS_TLS is on',
    clustered &&
      clusterNodes(nodes).some((entry) => entry.port === 0 || entry.port > 65_535) &&
      'REDIS_CLUSTER_NODES must have ports from 1 to 65535',
    clustered && url !== undefined && 'REDIS_CLUSTER_NODES must not be set together with REDIS_URL',
    clustered &&
      given.REDIS_HOST !== undefined &&
      'REDIS_CLUSTER_NODES must not be set together with REDIS_HOST',
    clustered &&
      given.REDIS_DB !== 0 &&
      'REDIS_DB must be 0 with REDIS_CLUSTER_NODES: a cluster has no other',
    authority !== undefined &&
      !statSync(authority, { throwIfNoEntry: false })?.isFile() &&
      'REDIS_TLS_CA must name a file that is there',
  ]
}

/** Throws `ConfigError`. */
export const readConfig = (environment: Environment): BasketConfig => {
  const variables = readVariables(basketVariables, environment, (given) => [
    ...commonProblems(given),
    ...redisProblems(given),
    given.ENVIRONMENT === 'production' &&
      given.STORAGE !== 'embedded' &&
      given.REDIS_URL === undefined &&
      environment['REDIS_PASSWORD'] === undefined &&
      'REDIS_PASSWORD must be set in production (REDIS_PASSWORD= says that there is none), or REDIS_URL',
  ])
  const server = variables.REDIS_URL ?? variables.REDIS_CLUSTER_NODES ?? variables.REDIS_HOST
  return { ...variables, STORAGE: storageOf(variables, 'redis', server) }
}
