import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { redisUrl, withoutRedis } from '@shop/testing/stores/redis.ts'

const timeoutMs = 60_000

const linesOf = ({ output }: RunningService): Record<string, unknown>[] =>
  output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line))

const requestCountIn = (metrics: string, route: string): number =>
  [...metrics.matchAll(/^http_server_request_duration_seconds_count\{(.*)\} (\d+)$/gm)]
    .filter(([, labels]) => labels?.includes(`http_route="${route}"`))
    .reduce((sum, [, , count]) => sum + Number(count), 0)

/** Over a new connection each time, which any of the workers may get. */
const send = (url: string) => request('GET', url, undefined, { connection: 'close' })

describe('the operations port of a service with two workers', { skip: withoutRedis }, () => {
  let service: RunningService
  before(async () => {
    service = await startService('basket', {
      REDIS_URL: redisUrl,
      PRODUCT_SERVICE_URL: `127.0.0.1:${await freePort()}`,
      OPERATIONS_PORT: String(await freePort()),
      WORKERS: '2',
      LOG_LEVEL: 'debug',
      SHUTDOWN_DELAY_SECONDS: '3',
    })
    await eventually(timeoutMs, async () =>
      assert.equal(linesOf(service).filter(({ msg }) => msg === 'started').length, 2),
    )
  })
  after(() => service[Symbol.asyncDispose]())

  const pidsOf = (route: string): ReadonlySet<unknown> =>
    new Set(linesOf(service).flatMap((line) => (line['route'] === route ? [line['pid']] : [])))

  it('is shared by both, and adds up the metrics of both', async () => {
    for (let sent = 0; sent < 20; sent++) {
      assert.equal((await send(`${service.url}/baskets/nobody`)).status, 404)
      assert.equal((await send(`${service.operationsUrl}/health/live`)).status, 200)
    }
    // Lines of requests are written together with later ones.
    await eventually(timeoutMs, async () =>
      assert.deepEqual([pidsOf('/health/live').size, pidsOf('/baskets/:user_id').size], [2, 2]),
    )
    for (let scrapes = 0; scrapes < 4; scrapes++) {
      const { body } = await send(`${service.operationsUrl}/metrics`)
      assert.equal(requestCountIn(body, '/baskets/:user_id'), 20)
      assert.equal(requestCountIn(body, '/health/live'), 20)
    }
    assert.equal((await send(`${service.url}/metrics`)).status, 404)
  })

  it('answers all probes while the workers are replaced, and afterwards only the new ones', async () => {
    const old = pidsOf('/health/live')
    const stopping = new AbortController()
    const statuses: number[] = []
    const probes = Array.from({ length: 3 }, async () => {
      while (!stopping.signal.aborted) {
        statuses.push((await send(`${service.operationsUrl}/health/ready`)).status)
        await delay(5)
      }
    })
    service.process.kill('SIGHUP')
    await eventually(timeoutMs, async () =>
      assert.ok(linesOf(service).some(({ msg }) => msg === 'all workers replaced')),
    )
    stopping.abort()
    await Promise.all(probes)
    assert.ok(statuses.length > 100, String(statuses.length))
    assert.deepEqual(new Set(statuses), new Set([200]))
    const earlier = linesOf(service).length
    for (let sent = 0; sent < 10; sent++) await send(`${service.operationsUrl}/health/live`)
    await eventually(timeoutMs, async () => {
      const later = linesOf(service)
        .slice(earlier)
        .flatMap(({ route, pid }) => (route === '/health/live' ? [pid] : []))
      assert.equal(later.length, 10)
      assert.deepEqual(
        later.filter((pid) => old.has(pid)),
        [],
      )
    })
  })

  it('answers 503 from SIGTERM until the end, while the public port still serves', async () => {
    const stopped = service.stop()
    await eventually(timeoutMs, async () =>
      assert.equal((await send(`${service.operationsUrl}/health/ready`)).status, 503),
    )
    // SHUTDOWN_DELAY_SECONDS: load balancers have not noticed yet.
    for (let sent = 0; sent < 10; sent++) {
      assert.equal((await send(`${service.url}/baskets/nobody`)).status, 404)
      assert.equal((await send(`${service.operationsUrl}/health/ready`)).status, 503)
    }
    assert.equal(await stopped, 0)
    for (const url of [service.url, service.operationsUrl]) await assert.rejects(send(`${url}/health/live`))
  })
})
