import { Gauge, type Registry } from '@prometheus-io/client'

/** Registers a gauge without labels, whose value is read at every scrape. */
export const valueGauge = (name: string, help: string, read: () => number, registry: Registry): void =>
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
