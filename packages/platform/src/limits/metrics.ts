import { Gauge, type Registry } from '@prometheus-io/client'
import { valueGauge } from '../metrics/value-gauge.ts'
import type { Budget } from './budget.ts'

type Watched = Readonly<{
  requestBytes: Budget
  responseBytes: Budget
  connections: Readonly<{
    /** By transport and class. */
    counts: () => ReadonlyMap<string, Readonly<Record<string, number>>>
    total: number
  }>
}>

/** Registers gauges of what is held, and of its maximum. They are read at every scrape. */
export const exposeLimits = (
  registry: Registry,
  { requestBytes, responseBytes, connections }: Watched,
): void => {
  const [bodies, responses] = ['request bodies in use', 'responses that clients have not taken yet']
  for (const [name, help, read] of [
    ['request_body_bytes', `Bytes of ${bodies}`, requestBytes.used],
    ['request_body_max_bytes', `Maximum of the bytes of ${bodies}`, () => requestBytes.total],
    ['unread_response_bytes', `Bytes of ${responses}`, responseBytes.used],
    ['unread_response_max_bytes', `Maximum of the bytes of ${responses}`, () => responseBytes.total],
    [
      'server_connections_max',
      'Maximum number of connections from clients, of all transports together',
      () => connections.total,
    ],
  ] as const)
    valueGauge(name, help, read, registry)
  registry.registerMetric(
    new Gauge({
      name: 'server_connections',
      help: 'Open connections from clients; the class is client, trusted (TRUST_PROXY) or refused (over a limit)',
      labelNames: ['transport', 'class'],
      registers: [],
      collect() {
        for (const [transport, counts] of connections.counts())
          for (const [name, count] of Object.entries(counts)) this.set({ transport, class: name }, count)
      },
    }),
  )
}
