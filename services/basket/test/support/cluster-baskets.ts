import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import type { OwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { redisBasketRepository } from '../../src/infrastructure/redis-basket-repository.ts'
import { longTtl } from './baskets.ts'
import { redisConfigOf } from './redis-config.ts'

/** Longest wait for a change of the cluster, in milliseconds. */
export const clusterChangeMs = 30_000

type Options = Readonly<{
  waitReplicas?: number
  logger?: typeof silentLogger
  /** The nodes in the configuration, as `host:port,…`; all of the cluster's by default. */
  nodes?: string
}>

/** Opens the basket service's Redis store on the cluster, with the user from docs/redis.md. */
export const openClusterBaskets = (cluster: OwnCluster, options: Options = {}) => {
  const { waitReplicas = 0, logger = silentLogger, nodes = cluster.addresses } = options
  const variables = {
    ...cluster.variables,
    REDIS_CLUSTER_NODES: nodes,
    BASKET_WAIT_REPLICAS: String(waitReplicas),
  }
  const redis = openRedis(redisConfigOf(variables), logger)
  return {
    redis,
    /** `{x}` in the prefix puts all keys into one slot. */
    baskets: (prefix = 'basket:') => redisBasketRepository(redis, longTtl, prefix),
    untilReady: () => eventually(clusterChangeMs, redis.ping),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  }
}

export type ClusterBaskets = ReturnType<typeof openClusterBaskets>
