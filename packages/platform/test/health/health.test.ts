import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { createHealth, type Dependency } from '../../src/health/health.ts'

const up = async () => 'PONG'
const slow = () => delay(20)
const down = async () => {
  throw new Error('connect ECONNREFUSED 10.0.0.7:5432')
}
const hanging = () => new Promise<never>(() => {})

const healthOf = (...dependencies: Dependency[]) => createHealth('test-service', '1.2.3', dependencies)
const statusOf = async (...dependencies: Dependency[]) => (await healthOf(...dependencies).report()).status

describe('health', () => {
  it('reports the service, its version, the time, and each dependency with its latency', async () => {
    const report = await healthOf({ name: 'postgres', required: true, probe: slow }).report()
    const latency = report.checks['postgres']?.latency_ms
    assert.ok(latency !== undefined && latency > 15, `${latency} ms`)
    assert.ok(Math.abs(Date.now() - Date.parse(report.timestamp)) < 60_000, report.timestamp)
    assert.deepEqual(report, {
      service: 'test-service',
      status: 'healthy',
      timestamp: new Date(report.timestamp).toISOString(),
      version: '1.2.3',
      checks: { postgres: { status: 'up', latency_ms: latency } },
    })
  })

  it('is unhealthy while a required dependency is down, and degraded while only an optional one is down', async () => {
    const required = { name: 'redis', required: true }
    const optional = { name: 'catalog', required: false }
    assert.equal(await statusOf(), 'healthy')
    assert.equal(await statusOf({ ...required, probe: up }, { ...optional, probe: up }), 'healthy')
    assert.equal(await statusOf({ ...required, probe: up }, { ...optional, probe: down }), 'degraded')
    assert.equal(await statusOf({ ...required, probe: down }, { ...optional, probe: up }), 'unhealthy')
    assert.equal(await statusOf({ ...required, probe: down }, { ...optional, probe: down }), 'unhealthy')
  })

  it('reports the message of an AppError as the reason why a dependency is down', async () => {
    const probe = async () => {
      throw new AppError('unavailable', 'the store is full', { cause: new Error('OOM on 10.0.0.7') })
    }
    const report = await healthOf({ name: 'redis', required: false, probe }).report()
    const { status, reason } = report.checks['redis'] ?? {}
    assert.deepEqual([status, reason], ['down', 'the store is full'])
    assert.doesNotMatch(JSON.stringify(report), /10\.0\.0\.7/)
  })

  it('reports no reason if the error is not an AppError', async () => {
    const report = await healthOf({ name: 'postgres', required: true, probe: down }).report()
    assert.equal(report.checks['postgres']?.status, 'down')
    assert.doesNotMatch(JSON.stringify(report), /ECONNREFUSED|10\.0\.0\.7/)
  })

  it('probes in parallel, reports dependencies that do not respond within a second as down, and aborts their signals', async () => {
    let given: AbortSignal | undefined
    const probe = (signal: AbortSignal) => {
      given = signal
      return hanging()
    }
    const { status, checks } = await healthOf(
      { name: 'redis', required: true, probe },
      { name: 'catalog', required: false, probe: hanging },
    ).report()
    const states = Object.values(checks).map((check) => [check.status, check.reason])
    assert.deepEqual(
      [status, ...states],
      ['unhealthy', ['down', 'redis did not respond'], ['down', 'catalog did not respond']],
    )
    for (const { latency_ms } of Object.values(checks)) assert.ok(latency_ms >= 990, `${latency_ms} ms`)
    assert.equal(given?.aborted, true)
  })

  it('does not count time in which the process itself is stalled', async () => {
    const probe = async () => {
      const started = performance.now()
      for (let turn = 1; turn <= 5; turn++) {
        while (performance.now() < started + 255 * turn);
        await delay(1)
      }
    }
    assert.equal(await statusOf({ name: 'redis', required: true, probe }), 'healthy')
  })

  it('probes once for concurrent reports, and again for the next one', async () => {
    let probes = 0
    const probe = async () => {
      probes += 1
      await delay(20)
    }
    const health = healthOf({ name: 'redis', required: true, probe })
    await Promise.all(Array.from({ length: 50 }, () => health.report()))
    assert.equal(probes, 1)
    await health.report()
    assert.equal(probes, 2)
  })

  it('reports a dependency as up again after it recovers', async () => {
    let probe: Dependency['probe'] = down
    const health = healthOf({ name: 'redis', required: true, probe: (signal) => probe(signal) })
    assert.equal((await health.report()).status, 'unhealthy')
    probe = up
    assert.equal((await health.report()).status, 'healthy')
  })

  it('is unhealthy as soon as the service stops', async () => {
    const health = healthOf({ name: 'redis', required: true, probe: up })
    health.stop()
    const report = await health.report()
    assert.deepEqual([report.status, report.checks['redis']?.status], ['unhealthy', 'up'])
  })
})
