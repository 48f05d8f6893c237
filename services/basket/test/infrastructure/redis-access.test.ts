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

  /** The server has refused the credentials or the database so many times more. */
  const refusals = async (count: number) => {
    const errors = () =>
      asAdmin(async (client) => {
        const counts = (await client.info('errorstats')).matchAll(/^errorstat_\w+:count=(\d+)/gm)
        return [...counts].reduce((sum, [, calls]) => sum + Number(calls), 0)
      })
    const goal = (await errors()) + count
    await eventually(20_000, async () => assert.ok((await errors()) >= goal))
  }

  const assertRefused = async (variables: Readonly<Record<string, string>>, said: RegExp) => {
    const { logger, lines } = recordingLogger()
    const app = await openRedisApp({ ...address(), ...variables }, logger)
    try {
      await refusals(3)
      await assertUnhealthy(app)
      assert.equal(lines.length, 1)
      assert.match(JSON.stringify(lines), said)
      assert.doesNotMatch(JSON.stringify(lines), /wrong one/)
    } catch (error) {
      await app[Symbol.asyncDispose]()
      throw error
    }
    return app
  }

  test('with a wrong password is refused, which the log says once; with the right one it works by itself', async () => {
    await using app = await assertRefused(
      { REDIS_PASSWORD: 'the wrong one' },
      /WRONGPASS.*Redis refuses the user or the password/,
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

  test('without the password is refused likewise', async () => {
    await using _ = await assertRefused({}, /NOAUTH.*Redis refuses the user or the password/)
  })

  test('to a database that is not there is refused, and said once', async () => {
    await using _ = await assertRefused(
      { REDIS_PASSWORD: password, REDIS_DB: '99' },
      /DB index is out of range/,
    )
  })

  test('is to the database that REDIS_DB or the URL names', async () => {
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

  test('by the user of docs/redis.md is enough, and every command of that user is used', async () => {
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
    })
    await eventually(20_000, async () => assert.equal((await app.health('/health/ready')).statusCode, 200))
    const { basket } = app
    // Without a replica no write is confirmed, but each is made.
    for (const write of [basket.create, () => basket.add(1, 1), basket.clear, basket.delete])
      assert.match((await write()).json().detail, /not confirmed/)
    assert.equal((await basket.get()).statusCode, 404)
    await app.statistics.read()
    await eventually(20_000, async () => assert.match(await app.scrape(), /^redis_memory_used_bytes\{/m))

    assert.deepEqual(await asAdmin((client) => client.sendCommand(['ACL', 'LOG'])), [])
    const stats = await asAdmin((client) => client.info('commandstats'))
    const used = new Set(Array.from(stats.matchAll(/^cmdstat_([^:]+)/gm), ([, command]) => command))
    const onClusters = ['cluster|slots', 'cluster|info', 'asking']
    assert.deepEqual(
      user.commands.filter((command) => !used.has(command)),
      onClusters,
    )
  })

  test('is by commands that Redis 6.2 has', async (context) => {
    const commands = ['hello', ...documentedUser().commands]
    const docs = await asAdmin((client) =>
      client.sendCommand<Record<string, { since: string }>>(['COMMAND', 'DOCS', ...commands]),
    ).catch(() => undefined)
    if (docs === undefined) return context.skip('this server has no COMMAND DOCS')
    assert.deepEqual(Object.keys(docs).toSorted(), commands.toSorted())
    const newer = Object.entries(docs).filter(
      ([, { since }]) => since.localeCompare('6.2.99', 'en', { numeric: true }) > 0,
    )
    assert.deepEqual(newer, [])
  })
})
