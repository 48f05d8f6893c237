import { Gauge, type Registry } from '@prometheus-io/client'

/** In-flight count: a plain number, copied into the gauge at scrape time. */
export const inFlightGauge = (name: string, help: string, registry: Registry) => {
  let count = 0
  registry.registerMetric(
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(count)
      },
    }),
  )
  return {
    inc: () => {
      count += 1
    },
    dec: () => {
      count -= 1
    },
  }
}
