import { Gauge, type Registry } from '@prometheus-io/client'
import type { Budget } from './budget.ts'

type Budgets = Readonly<{ requestBytes: Budget; responseBytes: Budget }>

/** Registers gauges of the bytes that are held, and of their maximum. They are read at every scrape. */
export const exposeBytes = (registry: Registry, { requestBytes, responseBytes }: Budgets): void => {
  const [bodies, responses] = ['request bodies in use', 'responses that clients have not taken yet']
  for (const [name, help, read] of [
    ['request_body_bytes', `Bytes of ${bodies}`, requestBytes.used],
    ['request_body_max_bytes', `Maximum of the bytes of ${bodies}`, () => requestBytes.total],
    ['unread_response_bytes', `Bytes of ${responses}`, responseBytes.used],
    ['unread_response_max_bytes', `Maximum of the bytes of ${responses}`, () => responseBytes.total],
  ] as const)
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read())
        },
      }),
    )
}
