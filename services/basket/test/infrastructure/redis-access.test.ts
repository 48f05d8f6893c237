import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { documentedUser, setUserCommand } from '@shop/testing/stores/redis-user.ts'
import { assertUnhealthy, openRedisApp, untilHealthy } from '../support/redis-app.ts'

const password = 'a secret'

describe('access to Redis', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let port: number
  let redis: ReturnType<typeof startRedis>
  before(async () => {
    port = await freePort()
    redis = startRedis(port, { requirepass: password })
    await eventually(20_000, () => asAdmin((client) => client.ping()))
  })
  after(() => redis.kill())

  const asAdmin = <Result>(use: Parameters<typeof onServer<Result>>[1], database = 0) =>
    onServer(port, use, { password, database })
  const address = () => ({ REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) })

  /** Waits until the server has rejected the credentials or the database this many more times. */
  const untilRejected = async (count: number) => {
    const errors = () =>
      asAdmin(async (client) => {
        const counts = (await client.info('errorstats')).matchAll(/^errorstat_\w+:count=(\d+)/gm)
        return [...counts].reduce((sum, [, calls]) => sum + Number(calls), 0)
      })
    const target = (await errors()) + count
    await eventually(20_000, async () => assert.ok((await errors()) >= target))
  }

  const assertRejected = async (variables: Readonly<Record<string, string>>, logged: RegExp) => {
    const { logger, lines } = recordingLogger()
    const app = await openRedisApp({ ...address(), ...variables }, logger)
    try {
      await untilRejected(3)
      await assertUnhealthy(app)
      assert.equal(lines.length, 1)
      assert.match(JSON.stringify(lines), logged)
      assert.doesNotMatch(JSON.stringify(lines), /wrong one/)
    } catch (error) {
      await app[Symbol.asyncDispose]()
      throw error
    }
    return app
  }

  test('with a wrong password makes the service unhealthy, is logged once, and recovers when the server accepts the password', async () => {
    await using app = await assertRejected(
      { REDIS_PASSWORD: 'the wrong one' },
      /WRONGPASS.*Redis rejected the credentials/,
    )
    await asAdmin((client) => client.configSet('requirepass', 'the wrong one'))
    try {
      await untilHealthy(app)
      assert.equal((await app.basket.create()).statusCode, 201)
    } finally {
      await onServer(port, (client) => client.configSet('requirepass', password), {
        password: 'the wrong one',
      })
    }
  })

  test('without the password makes the service unhealthy, and is logged once', async () => {
    await using _ = await assertRejected({}, /NOAUTH.*Redis rejected the credentials/)
  })

  test('to a database that does not exist makes the service unhealthy, and is logged once', async () => {
    await using _ = await assertRejected(
      { REDIS_PASSWORD: password, REDIS_DB: '99' },
      /Redis refused the connection \(ERR DB index is out of range\), retrying/,
    )
  })

  test('uses the database that REDIS_DB or the URL names', async () => {
    const url = `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}`
    const keysAfter = async (variables: Readonly<Record<string, string>>, database: number) => {
      await using app = await openRedisApp(variables)
      await untilHealthy(app)
      await app.basketOf(`in-${database}`).create()
      return asAdmin((client) => client.keys('*'), database)
    }
    const variables = { ...address(), REDIS_PASSWORD: password }
    assert.deepEqual(await keysAfter({ ...variables, REDIS_DB: '3' }, 3), ['basket:in-3'])
    assert.deepEqual(await keysAfter({ REDIS_URL: `${url}/4` }, 4), ['basket:in-4'])
    assert.deepEqual(
      await keysAfter({ REDIS_URL: `redis://127.0.0.1:${port}/5`, REDIS_PASSWORD: password }, 5),
      ['basket:in-5'],
    )
  })

  test('works with the permissions of the user in docs/redis.md, and needs all of them except those for clusters', async () => {
    const user = documentedUser()
    await asAdmin(async (client) => {
      await client.sendCommand(setUserCommand(user))
      await client.sendCommand(['ACL', 'LOG', 'RESET'])
      await client.scriptFlush()
      await client.configResetStat()
    })
    await using app = await openRedisApp({
      ...address(),
      REDIS_USERNAME: user.name,
      REDIS_PASSWORD: user.password,
      REDIS_DB: '6',
      BASKET_WAIT_REPLICAS: '1',
      NEW_BASKETS_PER_HOUR: '20',
    })
    await eventually(20_000, async () => assert.equal((await app.health('/health/ready')).statusCode, 200))
    const { basket } = app
    // Without a replica, no write is confirmed, but every write takes effect.
    const setLimit = (bytes: string) => asAdmin((client) => client.configSet('maxmemory', bytes))
    for (const write of [basket.create, () => basket.add(1, 1)])
      assert.match((await write()).json().detail, /did not confirm/)
    await setLimit('1')
    assert.match((await basket.clear()).json().detail, /did not confirm/)
    await setLimit('0')
    assert.match((await basket.delete()).json().detail, /did not confirm/)
    assert.equal((await basket.get()).statusCode, 404)
    await app.statistics.read()
    await eventually(20_000, async () => assert.match(await app.scrape(), /^redis_memory_used_bytes\{/m))

    assert.deepEqual(await asAdmin((client) => client.sendCommand(['ACL', 'LOG'])), [])
    const stats = await asAdmin((client) => client.info('commandstats'))
    const used = new Set(Array.from(stats.matchAll(/^cmdstat_([^:]+)/gm), ([, command]) => command))
    const clusterOnly = ['cluster|slots', 'cluster|info', 'asking']
    assert.deepEqual(
      user.commands.filter((command) => !used.has(command)),
      clusterOnly,
    )
  })

  test('uses only commands that Redis 6.2 has', async (context) => {
    const commands = ['hello', ...documentedUser().commands]
    const docs = await asAdmin((client) =>
      client.sendCommand<Record<string, { since: string }>>(['COMMAND', 'DOCS', ...commands]),
    ).catch(() => undefined)
    if (docs === undefined) return context.skip('this server does not support COMMAND DOCS')
    assert.deepEqual(Object.keys(docs).toSorted(), commands.toSorted())
    const newer = Object.entries(docs).filter(
      ([, { since }]) => since.localeCompare('6.2.99', 'en', { numeric: true }) > 0,
    )
    assert.deepEqual(newer, [])
  })
})
