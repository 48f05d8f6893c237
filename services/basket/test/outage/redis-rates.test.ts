import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { openRedisApp, type RedisApp, untilHealthy } from '../support/redis-app.ts'
import { redisConfigOf } from '../support/redis-config.ts'

const startServer = async () => {
  const port = await freePort()
  const redis = startRedis(port)
  const send = (...command: string[]) => onServer(port, (client) => client.sendCommand(command))
  await eventually(20_000, () => send('PING'))
  return { port, send, url: `redis://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => redis.kill() }
}

/** The user of docs/redis.md in the last release. */
const lastRelease =
  'on >secret ~basket:* -@all +get +set +del +expire +evalsha +script|load +ping +select +wait +scan +dbsize +info +cluster|slots +cluster|info +asking'

/** Users that may use baskets, and not all that rate limits need. */
const users = {
  'the permissions of the last release': [lastRelease, /NOPERM.*'eval'/],
  'no keys of rate limits': [`${lastRelease} +eval +incrby +pttl`, /NOPERM/],
  'no command of their script': [`${lastRelease} ~rate:* +eval`, /incrby|ACL failure|can't run/],
} as const

const limit = 3

let created = 0
const create = async (app: RedisApp) => (await app.basketOf(`new-${++created}`).create()).statusCode

const isWarning = ({ level }: Readonly<Record<string, unknown>>) => Number(level) >= 40

describe('rate limits', { skip: withoutOwnRedis, concurrency: true }, () => {
  for (const [name, [permissions, reason]] of Object.entries(users))
    test(`with ${name} count in the process: one warning says why, and the service is healthy`, async () => {
      await using server = await startServer()
      await server.send('ACL', 'SETUSER', 'basket', ...permissions.split(' '))
      const { logger, lines } = recordingLogger()
      await using app = await openRedisApp(
        {
          REDIS_URL: server.url,
          REDIS_USERNAME: 'basket',
          REDIS_PASSWORD: 'secret',
          NEW_BASKETS_PER_HOUR: String(limit),
        },
        logger,
        logger,
      )
      await untilHealthy(app)
      assert.equal((await app.basket.create()).statusCode, 201)
      for (let count = 1; count < limit; count++) assert.equal(await create(app), 201)
      assert.equal(await create(app), 429)
      await delay(1_100)
      assert.equal(await create(app), 429)
      assert.equal((await app.basket.add(1, 1)).statusCode, 200)
      await untilHealthy(app)
      const warnings = lines.filter(isWarning)
      assert.match(JSON.stringify(warnings), /rate limits are not shared/)
      assert.match(JSON.stringify(warnings), reason)
      assert.equal(warnings.length, 1, JSON.stringify(warnings))
    })

  test('of a full Redis count in the process, and existing baskets can be emptied', async () => {
    await using server = await startServer()
    await using app = await openRedisApp({ REDIS_URL: server.url, NEW_BASKETS_PER_HOUR: String(limit) })
    await untilHealthy(app)
    assert.equal((await app.basket.add(1, 1)).statusCode, 200)
    await server.send('CONFIG', 'SET', 'maxmemory', '1')
    for (let count = 0; count < 2 * limit; count++) assert.equal(await create(app), 503)
    assert.equal((await app.basket.clear()).statusCode, 200)
    await server.send('CONFIG', 'SET', 'maxmemory', '0')
    for (let count = 1; count < limit; count++) assert.equal(await create(app), 201)
    assert.equal(await create(app), 429)
  })

  const used = { name: 'requests', quota: 100, windowSeconds: 60 }

  test('that a replica refuses do not interrupt reads', async () => {
    await using server = await startServer()
    await using store = openRedis(redisConfigOf({ REDIS_URL: server.url }), silentLogger)
    await eventually(20_000, store.ping)
    const shared = store.shareUsage(used)
    assert.deepEqual((await shared.add('ann', 2)).used, 2)
    await server.send('REPLICAOF', '127.0.0.1', '1')
    // A connection may be dropped once a second.
    await delay(1_100)
    for (let round = 0; round < 2; round++) {
      await assert.rejects(shared.add('ann', 1), { kind: 'unavailable' })
      for (let count = 0; count < 20; count++) assert.equal(await store.get('basket:ann'), null)
      await delay(1_100)
    }
    await server.send('REPLICAOF', 'NO', 'ONE')
    await eventually(5_000, async () => assert.equal((await shared.add('ann', 1)).used, 3))
  })

  test('do not wait for the confirmation of writes', async () => {
    await using server = await startServer()
    const variables = { REDIS_URL: server.url, BASKET_WAIT_REPLICAS: '1' }
    await using store = openRedis(redisConfigOf(variables), silentLogger)
    await eventually(20_000, store.ping)
    let isConfirmed: boolean | undefined
    const write = store.compareAndSet('basket:ann', null, 'x', 60).then(
      () => (isConfirmed = true),
      () => (isConfirmed = false),
    )
    // Redis holds the connection of the write for 200 ms, until its WAIT gives up.
    await eventually(5_000, async () => assert.equal(await store.get('basket:ann'), 'x'))
    assert.equal((await store.shareUsage(used).add('ann', 1)).used, 1)
    assert.equal(isConfirmed, undefined)
    await write
    assert.equal(isConfirmed, false)
  })

  test('leave reads alone while Redis pauses writes, and are shared again afterwards', async () => {
    await using server = await startServer()
    await using store = openRedis(redisConfigOf({ REDIS_URL: server.url }), silentLogger)
    await eventually(20_000, store.ping)
    const shared = store.shareUsage(used)
    await server.send('CLIENT', 'PAUSE', '900', 'WRITE')
    await assert.rejects(shared.add('ann', 1), { kind: 'unavailable' })
    assert.equal(await store.get('basket:ann'), null)
    await eventually(5_000, () => shared.add('ann', 1))
    // The one that was held back counts too.
    assert.equal((await shared.add('ann', 1)).used, 3)
  })
})
