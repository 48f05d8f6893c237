import { Gauge, type Registry } from '@prometheus-io/client'

/**
 * The connections of a pool. Pools whose connections carry one call at a time also have `idle` connections
 * and `waiting` calls. Shared (multiplexed) connections have neither.
 */
export type PoolState = Readonly<{ used: number; max: number; idle?: number; waiting?: number }>

/** Registers the gauges. The returned function adds a pool, whose state is read at every scrape. */
export const connectionGauges = (registry: Registry) => {
  const pools = new Map<string, () => PoolState>()
  const poolLabel = 'db_client_connection_pool_name'
  const stateLabel = 'db_client_connection_state'
  registry.registerMetric(
    new Gauge({
      name: 'db_client_connections',
      help: 'Connections to the store, by their state: idle or used',
      labelNames: [poolLabel, stateLabel],
      registers: [],
      collect() {
        for (const [name, read] of pools) {
          const { idle, used } = read()
          if (idle !== undefined) this.set({ [poolLabel]: name, [stateLabel]: 'idle' }, idle)
          this.set({ [poolLabel]: name, [stateLabel]: 'used' }, used)
        }
      },
    }),
  )
  for (const [name, help, property] of [
    ['db_client_connections_max', 'Maximum number of connections to the store', 'max'],
    ['db_client_connections_pending_requests', 'Calls waiting for a connection to the store', 'waiting'],
  ] as const)
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: [poolLabel],
        registers: [],
        collect() {
          for (const [poolName, read] of pools) {
            const value = read()[property]
            if (value !== undefined) this.set({ [poolLabel]: poolName }, value)
          }
        },
      }),
    )
  return (name: string, read: () => PoolState): void => void pools.set(name, read)
}
