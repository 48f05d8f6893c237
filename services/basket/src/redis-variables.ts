import { addressesIn, hostPort } from '@shop/platform/config/addresses.ts'
import { isOn, mustBeFile, port, secret, toggle } from '@shop/platform/config/variables.ts'
import type { RedisConfig } from '@shop/redis/connection.ts'
import { type Static, type TObject, Type } from 'typebox'

export const redisVariables = {
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
}

type Variables = Static<TObject<typeof redisVariables>>

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
export const redisProblems = (variables: Variables): (string | false)[] => {
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

export const redisConfigOf = (clientName: string, variables: Variables): RedisConfig => ({
  clientName,
  storeName: 'the basket store',
  target: redisTargetOf(variables),
  username: variables.REDIS_USERNAME,
  password: variables.REDIS_PASSWORD,
  tls: isOn(variables.REDIS_TLS),
  certificateAuthority: variables.REDIS_TLS_CA,
  waitReplicas: variables.BASKET_WAIT_REPLICAS,
})
