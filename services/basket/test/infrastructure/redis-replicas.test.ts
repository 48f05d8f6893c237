import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { callsOf, onServer, startProxy, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { assertProblem, linesIn } from '../support/http.ts'
import { openRedisApp, type RedisApp, unavailable, untilHealthy } from '../support/redis-app.ts'

describe('a service with a Redis primary and its replica', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let ports: { primary: number; replica: number }
  let primary: ReturnType<typeof startRedis>
  let replica: ReturnType<typeof startRedis>
  before(async () => {
    ports = { primary: await freePort(), replica: await freePort() }
    const settings = { 'repl-diskless-sync-delay': '0' }
    primary = startRedis(ports.primary, settings)
    replica = startRedis(ports.replica, settings)
    await eventually(20_000, () =>
      onServer(ports.replica, (client) => client.replicaOf('127.0.0.1', ports.primary)),
    )
    await eventually(20_000, () =>
      onServer(ports.primary, async (client) =>
        assert.match(await client.info('replication'), /state=online/),
      ),
    )
  })
  after(() => Promise.all([primary.kill(), replica.kill()]))

  const openApp = (waitReplicas: number, port = ports.primary) =>
    openRedisApp({
      REDIS_URL: `redis://127.0.0.1:${port}`,
      BASKET_WAIT_REPLICAS: String(waitReplicas),
    })

  const assertNotConfirmed = async (response: Promise<Awaited<ReturnType<RedisApp['basket']['get']>>>) => {
    assertProblem(await response, unavailable)
    assert.match((await response).json().detail, /did not confirm .* may have taken effect/)
  }

  test('answers 503 for a write that the replica does not confirm, and still serves reads', async () => {
    await using app = await openApp(1)
    await untilHealthy(app)
    // On a slow machine the replica may confirm too late, so more than one add may have taken effect.
    const confirmedAdd = () => eventually(20_000, async () => linesIn(await app.basket.add(1, 1)))
    const [[, first = 0] = []] = await confirmedAdd()
    replica.suspend()
    try {
      await assertNotConfirmed(app.basket.add(1, 1))
      assert.deepEqual(linesIn(await app.basket.get()), [[1, first + 1]])
      const { status, checks } = (await app.health()).json()
      assert.deepEqual(
        [status, checks.redis.status, checks['redis-replicas'].status],
        ['degraded', 'up', 'down'],
      )
      assert.equal((await app.health('/health/ready')).statusCode, 200)
    } finally {
      replica.resume()
    }
    await untilHealthy(app)
    const [[, last = 0] = []] = await confirmedAdd()
    assert.ok(last >= first + 2)
  })

  test('answers 503 for a repeated write as long as the replica confirms neither, and then replays it', async () => {
    await using app = await openApp(1)
    await using other = await openApp(1)
    await untilHealthy(app)
    await untilHealthy(other)
    const headers = { 'idempotency-key': 'once' }
    const basket = (through: RedisApp) => through.basketOf('repeated')
    const confirmed = (write: () => ReturnType<RedisApp['basket']['get']>) =>
      eventually(20_000, async () => {
        const response = await write()
        assert.equal(response.statusCode, 200, response.body)
        return response
      })
    await confirmed(() => basket(app).add(1, 1, { 'idempotency-key': 'before' }))
    replica.suspend()
    try {
      for (const through of [app, app, other]) await assertNotConfirmed(basket(through).add(2, 3, headers))
      // Nothing that may have to be confirmed succeeds, but refusals and reads do.
      await assertNotConfirmed(basket(other).create())
      assert.equal((await basket(other).add(2, 4, headers)).statusCode, 422)
      assert.equal((await basket(other).get()).statusCode, 200)
    } finally {
      replica.resume()
    }
    const { headers: replay } = await confirmed(() => basket(other).add(2, 3, headers))
    assert.equal(replay['idempotent-replayed'], 'true')
    assert.deepEqual(linesIn(await confirmed(() => basket(app).add(2, 3, headers))), [
      [1, 1],
      [2, 3],
    ])
  })

  test('writes the same again for a repeated write, and the basket keeps its remaining life', async () => {
    const headers = { 'idempotency-key': 'once' }
    const onPrimary = <Result>(use: Parameters<typeof onServer<Result>>[1]) => onServer(ports.primary, use)
    const key = 'basket:same'
    const writes = async () => {
      const [sets, waits] = [await callsOf(ports.primary, 'set'), await callsOf(ports.primary, 'wait')]
      return { sets, waits }
    }
    for (const waitReplicas of [1, 0]) {
      await using app = await openApp(waitReplicas)
      await untilHealthy(app)
      const add = () => eventually(20_000, async () => linesIn(await app.basketOf('same').add(1, 1, headers)))
      await add()
      const record = await onPrimary((client) => client.get(key))
      await onPrimary((client) => client.expire(key, 1_000))
      const earlier = await writes()
      await add()
      const later = await writes()
      // On a slow machine the replica may confirm too late, and the write is then repeated.
      if (waitReplicas > 0) assert.ok(later.sets > earlier.sets && later.waits > earlier.waits)
      else assert.deepEqual(later, earlier)
      assert.equal(await onPrimary((client) => client.get(key)), record)
      const life = await onPrimary((client) => client.ttl(key))
      assert.ok(life > 900 && life <= 1_000, String(life))
    }
  })

  test('sends WAIT on the connection of the write, and GET on another one', async () => {
    await using app = await openApp(1)
    await untilHealthy(app)
    const lines: string[] = []
    await onServer(ports.primary, async (client) => {
      await client.monitor((line) => lines.push(line))
      await app.basketOf('watched').add(1, 1)
      await eventually(20_000, async () => assert.match(lines.join(), /"WAIT"/))
    })
    const connectionOf = (command: string) => {
      const connections = lines.flatMap(
        (line) => new RegExp(`\\[0 ([\\d.:]+)\\] "${command}"`, 'i').exec(line)?.[1] ?? [],
      )
      assert.equal(new Set(connections).size, 1, command)
      return connections[0]
    }
    assert.equal(connectionOf('WAIT'), connectionOf('EVALSHA'))
    assert.notEqual(connectionOf('GET'), connectionOf('EVALSHA'))
  })

  test('answers 503 for writes while the primary refuses them because replicas are missing', async () => {
    await using app = await openApp(0)
    await untilHealthy(app)
    const requireReplicas = (replicas: number) =>
      onServer(ports.primary, (client) => client.configSet('min-replicas-to-write', String(replicas)))
    await requireReplicas(9)
    assertProblem(await app.basketOf('refused').add(1, 1), unavailable)
    await requireReplicas(0)
    assert.equal((await app.basketOf('refused').add(1, 1)).statusCode, 200)
  })

  test('does not wait for the replica if BASKET_WAIT_REPLICAS is 0', async () => {
    await using app = await openApp(0)
    await untilHealthy(app)
    replica.suspend()
    try {
      const waits = await callsOf(ports.primary, 'wait')
      assert.equal((await app.basketOf('eager').add(1, 1)).statusCode, 200)
      assert.equal(await callsOf(ports.primary, 'wait'), waits)
    } finally {
      replica.resume()
    }
  })

  test('reconnects to the new primary after a demoted one has refused a write', async () => {
    using proxy = await startProxy(ports.primary)
    await using app = await openApp(0, proxy.port)
    await untilHealthy(app)
    assert.deepEqual(linesIn(await app.basketOf('moving').add(1, 1)), [[1, 1]])
    await eventually(20_000, () =>
      onServer(ports.replica, async (client) => assert.ok(await client.get('basket:moving'))),
    )
    await onServer(ports.replica, (client) => client.sendCommand(['REPLICAOF', 'NO', 'ONE']))
    await onServer(ports.primary, (client) => client.replicaOf('127.0.0.1', ports.replica))
    proxy.redirectTo(ports.replica)
    assertProblem(await app.basketOf('moving').add(1, 1), unavailable)
    await eventually(20_000, async () =>
      assert.equal((await app.basketOf('moving').add(1, 1)).statusCode, 200),
    )
    assert.deepEqual(linesIn(await app.basketOf('moving').get()), [[1, 2]])
  })
})
