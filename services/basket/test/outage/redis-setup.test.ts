import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { checkLog, untilDegraded } from '../support/defects.ts'
import { assertProblem } from '../support/http.ts'
import { openRedisApp, type RedisApp, unavailable, untilHealthy } from '../support/redis-app.ts'

/** Starts a server with these lines in its configuration. */
const startServer = async (configuration = '') => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'redis-conf-')))
  const include = join(folder.path, 'own.conf')
  await writeFile(include, configuration)
  const port = await freePort()
  const redis = startRedis(port, { include })
  stack.defer(() => redis.kill())
  const send = (...command: string[]) => onServer(port, (client) => client.sendCommand(command))
  await eventually(20_000, () => send('PING'))
  return { port, send, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const untilNotReady = (app: RedisApp, reason: RegExp) =>
  eventually(20_000, async () => {
    const response = await app.health('/health/ready')
    assert.equal(response.statusCode, 503)
    assert.match(response.json().checks.redis.reason, reason)
  })

const setups = [
  {
    setup: (command: string) => `the server does not have ${command}`,
    configuration: (command: string) => `rename-command ${command} ""`,
    code: 'UNKNOWN',
  },
  {
    setup: (command: string) => `the user may not send ${command}`,
    configuration: (command: string) => `user default on nopass ~* &* +@all -${command}`,
    code: 'NOPERM',
  },
]

describe('if Redis is not set up as required, because', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  for (const { setup, configuration, code } of setups)
    for (const command of ['evalsha', 'get', 'set', 'del'])
      test(`${setup(command)}, requests are unavailable, the service is not ready with the reason, and the log has no user data`, async () => {
        await using server = await startServer(configuration(command))
        const { logger, lines } = recordingLogger()
        const REDIS_URL = `redis://127.0.0.1:${server.port}`
        await using app = await openRedisApp({ REDIS_URL }, logger, logger)
        await untilNotReady(
          app,
          new RegExp(`^Redis refuses requests: ${code}, .*redis\\.md lists \\(${command}\\)$`),
        )

        const { create, add, delete: remove } = app.basketOf('alice.smith@example.org')
        const created = await create()
        assert.equal(created.statusCode, command === 'del' ? 201 : 503)
        assertProblem(command === 'del' ? await remove() : await add(1, 1), unavailable)
        const log = JSON.stringify(lines)
        assert.match(log, /request failed/)
        assert.doesNotMatch(log, /alice/)
      })

  test('the user may not send info, the check of the eviction policy says so, and it is logged', async () => {
    await using server = await startServer('user default on nopass ~* &* +@all -info')
    const { logger, lines } = recordingLogger()
    await using app = await openRedisApp({ REDIS_URL: `redis://127.0.0.1:${server.port}` }, logger)
    const reason = /maxmemory-policy: NOPERM, .*redis\.md lists \(info\)$/
    await untilDegraded(app, 'redis-eviction', reason)
    await server.send('ACL', 'SETUSER', 'default', '+info')
    await untilHealthy(app)
    const [failing = '', ...rest] = checkLog(lines, 'redis-eviction')
    assert.match(failing, reason)
    assert.deepEqual(rest, ['health check passing again'])
  })
})
