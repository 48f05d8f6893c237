import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createHealth } from '../../src/health/health.ts'
import { exposeHealth } from '../../src/health/metrics.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'

it('metrics of dependencies and readiness agree with the health report', async () => {
  const { registry } = createMetrics('test', '1.0.0')
  const up = { redis: true, catalog: true }
  const probe = (name: keyof typeof up) => async () => {
    if (!up[name]) throw new Error('down')
  }
  const health = createHealth('test', '1.0.0', [
    { name: 'redis', required: true, probe: probe('redis') },
    { name: 'catalog', required: false, probe: probe('catalog') },
  ])
  exposeHealth(registry, health)
  const values = async () => {
    const text = await registry.metrics()
    const valueOf = (series: string) =>
      text
        .split('\n')
        .find((line) => line.startsWith(series))
        ?.at(-1)
    return [
      valueOf('dependency_up{dependency="redis",service="test"}'),
      valueOf('dependency_up{dependency="catalog",service="test"}'),
      valueOf('service_ready{service="test"}'),
    ].join('')
  }
  assert.equal(await values(), '111')
  up.catalog = false
  assert.equal(await values(), '101')
  up.redis = false
  assert.equal(await values(), '000')
  up.redis = true
  assert.equal(await values(), '101')
  health.stop()
  assert.equal(await values(), '100')
})
