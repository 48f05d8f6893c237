import { Gauge, type Registry } from '@prometheus-io/client'
import type { Budget } from './budget.ts'

/** Registers gauges of the bytes that are held, and of their maximum. They are read at every scrape. */
export const exposeBytes = (registry: Registry, name: string, what: string, budget: Budget): void => {
  for (const [suffix, help, read] of [
    ['bytes', `Bytes of ${what}`, budget.used],
    ['max_bytes', `Maximum of the bytes of ${what}`, () => budget.total],
  ] as const)
    registry.registerMetric(
      new Gauge({
        name: `${name}_${suffix}`,
        help,
        registers: [],
        collect() {
          this.set(read())
        },
      }),
    )
}
