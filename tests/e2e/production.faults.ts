import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { requestWithHost } from '@shop/testing/services/http.ts'
import { startService } from '@shop/testing/services/services.ts'

it('a service in production warns once of what is not encrypted, and shows no documentation', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'production-'))
  await using basket = await startService('basket', {
    ENVIRONMENT: 'production',
    AUTH: 'off',
    STORAGE: 'embedded',
    DATA_DIR: folder.path,
    WORKERS: '2',
    SHUTDOWN_DELAY_SECONDS: '0',
    // Not a loopback address, but nothing answers there.
    PRODUCT_SERVICE_URL: '0.0.0.0:1',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://0.0.0.0:1',
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  })
  const warnings = basket
    .output()
    .split('\n')
    .filter((line) => line.includes('not encrypted'))
    .map((line) => JSON.parse(line))
    .map(({ level, target, hosts }) => ({ level, target, hosts }))
  assert.deepEqual(warnings, [
    { level: 'warn', target: 'product service', hosts: ['0.0.0.0'] },
    { level: 'warn', target: 'OTLP collector', hosts: ['0.0.0.0'] },
  ])
  for (const [path, status] of [
    ['/health/live', 200],
    ['/docs', 404],
    ['/openapi.json', 404],
  ] as const)
    assert.equal((await requestWithHost(`${basket.url}${path}`, 'shop.example')).status, status, path)
})
