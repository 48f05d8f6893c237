import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import { systemClock } from '@shop/kernel/clock.ts'
import { type Reason, reasons } from './handshake-reasons.ts'

type Reads = Map<string, () => number>

const gauges = new WeakMap<Registry, Reads>()

const register = (registry: Registry): Reads => {
  const reads: Reads = new Map()
  registry.registerMetric(
    new Gauge({
      name: 'tls_certificate_expiry_seconds',
      help: 'Time until a certificate of the process expires, or the first one of its chain; negative after that',
      labelNames: ['certificate'],
      aggregator: 'min',
      registers: [],
      collect() {
        for (const [certificate, read] of reads)
          this.set({ certificate }, (read() - systemClock().getTime()) / 1_000)
      },
    }),
  )
  gauges.set(registry, reads)
  return reads
}

/** Exposes when a certificate expires: `validTo` returns it in milliseconds since 1970. A process may have several. */
export const exposeExpiry = (registry: Registry, certificate: string, validTo: () => number): void => {
  const reads = gauges.get(registry) ?? register(registry)
  reads.set(certificate, validTo)
}

/** Registers the counter of failed handshakes. Returns what counts those of one transport. */
export const handshakeCounter = (registry: Registry) => {
  const counter = new Counter({
    name: 'tls_handshake_failures_total',
    help: 'TLS handshakes of clients that failed',
    labelNames: ['transport', 'reason'],
    registers: [registry],
  })
  return (transport: string) => {
    // Prometheus needs the 0 to notice the first.
    for (const reason of reasons) counter.inc({ transport, reason }, 0)
    return (reason: Reason): void => counter.inc({ transport, reason })
  }
}
