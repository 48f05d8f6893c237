import type { RedisClientType } from '@redis/client'
import type { Sample, SampleSource } from '@shop/platform/metrics/business-metrics.ts'
import { infoField, infoNumber } from './info.ts'

/** The memory of one server. */
export type Memory = Readonly<{
  /** In bytes. */
  used: number
  /** In bytes; 0 for no limit. */
  max: number
  /** The maxmemory policy, which says whether keys are evicted at the limit. */
  policy: string | undefined
  /** The number of keys that have been evicted since the server started. */
  evicted: number
}>

/** Uses INFO, because managed services forbid CONFIG. */
export const memoryOf = async (client: Pick<RedisClientType, 'info'>): Promise<Memory> => {
  const [memory, stats] = await Promise.all([client.info('memory'), client.info('stats')])
  return {
    used: infoNumber(memory, 'used_memory'),
    max: infoNumber(memory, 'maxmemory'),
    policy: infoField(memory, 'maxmemory_policy'),
    evicted: infoNumber(stats, 'evicted_keys'),
  }
}

/** Returns why Redis may evict keys; undefined if it never does. */
export const evictionDefectOf = (servers: readonly Memory[]): string | undefined => {
  const policies = new Set(servers.map(({ policy = 'noeviction' }) => policy))
  policies.delete('noeviction')
  return policies.size === 0
    ? undefined
    : `Redis evicts keys at its memory limit: maxmemory-policy is ${[...policies].toSorted().join(', ')}, not noeviction`
}

/** Labels servers by number, so that metrics do not expose their addresses. */
const perServer =
  (valueOf: (server: Memory) => number) =>
  (servers: readonly Memory[]): readonly Sample[] =>
    servers.map((server, index) => [{ server: String(index + 1) }, valueOf(server)])

/** The memory of each Redis server, read at scrape time. */
export const memoryMetrics = (read: () => Promise<readonly Memory[]>): SampleSource<readonly Memory[]> => ({
  name: 'redis memory',
  read,
  metrics: [
    {
      name: 'redis_memory_used_bytes',
      help: 'Memory in use by a Redis server',
      type: 'gauge',
      labelNames: ['server'],
      samples: perServer(({ used }) => used),
    },
    {
      name: 'redis_memory_max_bytes',
      help: 'Memory that a Redis server may use; 0 for no limit',
      type: 'gauge',
      labelNames: ['server'],
      samples: perServer(({ max }) => max),
    },
    {
      name: 'redis_evicted_keys_total',
      help: 'Keys that the Redis servers have evicted to free memory, since they started',
      type: 'counter',
      // One total: the order of servers may change, which would look like evictions.
      labelNames: [],
      samples: (servers) => [[{}, servers.reduce((sum, { evicted }) => sum + evicted, 0)]],
    },
  ],
})
