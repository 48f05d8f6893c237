import type { Registry } from '@prometheus-io/client'
import { valueGauge } from './value-gauge.ts'

/** In-flight count: a plain number, copied into the gauge at scrape time. */
export const inFlightGauge = (name: string, help: string, registry: Registry) => {
  let count = 0
  valueGauge(name, help, () => count, registry)
  return {
    inc: () => {
      count += 1
    },
    dec: () => {
      count -= 1
    },
  }
}
