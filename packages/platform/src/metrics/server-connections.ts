import { Gauge, type Registry } from '@prometheus-io/client'

/** The connections from clients, by transport and class. */
type ServerConnections = Readonly<{
  counts: () => ReadonlyMap<string, Readonly<Record<string, number>>>
  total: number
}>

/** Registers the gauges. The returned function sets whose connections are counted, at every scrape. */
export const serverConnectionGauges = (registry: Registry) => {
  let watched: ServerConnections | undefined
  registry.registerMetric(
    new Gauge({
      name: 'server_connections',
      help: 'Open connections from clients; the class is client, trusted (TRUST_PROXY) or refused (over a limit)',
      labelNames: ['transport', 'class'],
      registers: [],
      collect() {
        for (const [transport, counts] of watched?.counts() ?? [])
          for (const [name, count] of Object.entries(counts)) this.set({ transport, class: name }, count)
      },
    }),
  )
  registry.registerMetric(
    new Gauge({
      name: 'server_connections_max',
      help: 'Maximum number of connections from clients, of all transports together',
      registers: [],
      collect() {
        if (watched !== undefined) this.set(watched.total)
      },
    }),
  )
  return (connections: ServerConnections): void => {
    watched = connections
  }
}
