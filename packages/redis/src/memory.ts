import type { RedisClientType } from '@redis/client'
import type { Sample, SampleSource } from '@shop/platform/metrics/business-metrics.ts'
import { infoNumber } from './info.ts'

/** The memory in use and the memory limit of one server, in bytes. A `max` of 0 means no limit. */
export type Memory = Readonly<{ used: number; max: number }>

export const memoryOf = async (client: Pick<RedisClientType, 'info'>): Promise<Memory> => {
  const info = await client.info('memory')
  return { used: infoNumber(info, 'used_memory'), max: infoNumber(info, 'maxmemory') }
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
  ],
})
