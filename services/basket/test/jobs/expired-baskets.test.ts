import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { startJobs } from '@shop/platform/process/jobs.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp, version } from '../../src/app.ts'
import { service } from '../../src/config.ts'
import { withMore } from '../../src/domain/basket.ts'
import { aBasket, aProduct, rowsIn } from '../support/baskets.ts'
import { send } from '../support/http.ts'
import { openPorts } from '../support/ports.ts'

const openStorage = () => openPorts(async (id) => aProduct({ id }))

/** Creates a basket with this number of lines. */
const filled = (userId: string, lines: number) =>
  Array.from({ length: lines }, (_, index) => aProduct({ id: index + 1 })).reduce(
    (basket, product) => withMore(basket, product, 3),
    aBasket(userId),
  )

describe('the job that removes expired baskets', () => {
  test('logs each removed basket without its user, and counts it in the metrics', async () => {
    await using storage = await openStorage()
    const { ports, sqlite } = storage
    const { logger, lines } = recordingLogger()
    const metrics = createMetrics(service, version)
    await using app = await createApp({ ports, dependencies: [] }, logger, metrics)
    const full = await ports.baskets.update('ann', () => filled('ann', 2))
    const empty = await ports.baskets.update('bob', () => filled('bob', 0))
    const kept = await ports.baskets.update('eve', () => filled('eve', 1))
    sqlite.exec("update baskets set expires_at = 1 where user_id = 'ann'")
    sqlite.exec("update baskets set expires_at = 2 where user_id = 'bob'")

    {
      await using _ = startJobs(app.jobs, { logger, metrics })
      await eventually(20_000, async () => assert.equal(rowsIn(sqlite), 1))
    }
    assert.deepEqual(await ports.baskets.find('eve'), kept)
    const eventLines = lines.filter(({ event }) => event !== undefined)
    assert.deepEqual(
      eventLines.map(({ time: _time, pid: _pid, hostname: _hostname, ...line }) => line),
      [full, empty].map((basket) => ({
        level: 30,
        event: 'basket_expired',
        basket_id: basket.id,
        lines: basket.lines.length,
        msg: 'basket expired',
      })),
    )
    assert.doesNotMatch(JSON.stringify(eventLines), /ann|bob/)

    const { body } = await send(app.http, 'GET', '/metrics')
    assert.match(body, /^shop_events_total\{(?=.*event="basket_expired").*\} 2$/m)
    assert.match(body, /^shop_baskets_expired_total\{.*\} 2$/m)
    assert.match(
      body,
      /^use_case_duration_seconds_count\{(?=.*use_case="removeExpiredBaskets")(?=.*outcome="ok").*\} 1$/m,
    )
    assert.match(body, /^job_duration_seconds_count\{(?=.*job="expired-baskets")(?=.*outcome="ok").*\} 1$/m)
  })

  test('logs and counts nothing if no basket has expired', async () => {
    await using storage = await openStorage()
    const { logger, lines } = recordingLogger()
    const metrics = createMetrics(service, version)
    await using app = await createApp({ ports: storage.ports, dependencies: [] }, logger, metrics)
    await storage.ports.baskets.update('eve', () => aBasket('eve'))
    for (const { work } of app.jobs) await work(AbortSignal.abort())
    assert.equal(rowsIn(storage.sqlite), 1)
    assert.deepEqual(lines, [])
    assert.deepEqual((await metrics.shopEvents.get()).values, [])
  })

  test('exists only if the store does not expire baskets by itself, and runs every ten seconds', async () => {
    await using storage = await openStorage()
    const { expiry: _, ...portsWithoutExpiry } = storage.ports
    await using withJob = await createApp({ ports: storage.ports, dependencies: [] }, silentLogger)
    await using withoutJob = await createApp({ ports: portsWithoutExpiry, dependencies: [] }, silentLogger)
    assert.deepEqual(
      withJob.jobs.map(({ name, pauseMs }) => ({ name, pauseMs })),
      [{ name: 'expired-baskets', pauseMs: 10_000 }],
    )
    assert.deepEqual(withoutJob.jobs, [])
  })
})
