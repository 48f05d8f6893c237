import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from '@prometheus-io/client'
import { exposeExpiry } from '../../src/tls/metrics.ts'

const hour = 3_600_000

test('of several workers, the certificate counts that expires first, apart from those with other names', async () => {
  const reports = await Promise.all(
    [1, 2].map(async (hours) => {
      const registry = new Registry()
      exposeExpiry(registry, 'server', () => Date.now() + hours * hour)
      exposeExpiry(registry, 'product_service_client', () => Date.now() + hours * 10 * hour)
      return registry.getMetricsAsJSON()
    }),
  )
  const text = await Registry.aggregate(reports).metrics()
  const secondsOf = (certificate: string): number =>
    Number(
      new RegExp(`^tls_certificate_expiry_seconds\\{certificate="${certificate}"\\} (\\S+)$`, 'm').exec(
        text,
      )?.[1],
    )
  const hoursOf = (certificate: string): number => Math.ceil(secondsOf(certificate) / 3_600)
  assert.deepEqual([hoursOf('server'), hoursOf('product_service_client')], [1, 10], text)
})
