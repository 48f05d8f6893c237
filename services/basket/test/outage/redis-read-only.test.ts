import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startProxy, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { checkLog, untilDegraded } from '../support/defects.ts'
import { assertProblem, linesIn } from '../support/http.ts'
import { openRedisApp, unavailable, untilHealthy } from '../support/redis-app.ts'

/** Starts a server in a folder of its own, so that a test can remove the folder. */
const startServer = async (settings: Readonly<Record<string, string>> = {}) => {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const redis = startRedis(port, { dir: folder, ...settings })
  return {
    port,
    folder,
    send: (...command: string[]) => onServer(port, (client) => client.sendCommand(command)),
    [Symbol.asyncDispose]: async () => {
      await redis.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

type Server = Awaited<ReturnType<typeof startServer>>

/** Makes the next snapshot fail, as on a full disk. */
const failToSave = async ({ port, folder, send }: Server) => {
  rmSync(folder, { recursive: true })
  await send('CONFIG', 'SET', 'save', '3600 1')
  await send('BGSAVE')
  await eventually(20_000, () =>
    onServer(port, async (client) =>
      assert.match(await client.info('persistence'), /rdb_last_bgsave_status:err/),
    ),
  )
}

const cases = [
  {
    state: 'is a replica',
    reason: /READONLY/,
    begin: ({ send }: Server) => send('REPLICAOF', '127.0.0.1', '1'),
    end: ({ send }: Server) => send('REPLICAOF', 'NO', 'ONE'),
  },
  {
    state: 'is full',
    reason: /OOM.*maxmemory/,
    begin: ({ send }: Server) => send('CONFIG', 'SET', 'maxmemory', '1'),
    end: ({ send }: Server) => send('CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    state: 'cannot save to disk',
    reason: /MISCONF.*disk/,
    begin: failToSave,
    end: ({ send }: Server) => send('CONFIG', 'SET', 'save', ''),
  },
  {
    state: 'lacks replicas',
    reason: /NOREPLICAS/,
    begin: ({ send }: Server) => send('CONFIG', 'SET', 'min-replicas-to-write', '9'),
    end: ({ send }: Server) => send('CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
]

describe('while Redis refuses writes,', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  for (const { state, reason, begin, end } of cases)
    test(`because it ${state}, the service is degraded with the reason, logs it once, and serves reads`, async () => {
      await using server = await startServer()
      const { logger, lines } = recordingLogger()
      await using app = await openRedisApp({ REDIS_URL: `redis://127.0.0.1:${server.port}` }, logger)
      await untilHealthy(app)
      assert.deepEqual(linesIn(await app.basket.add(1, 1)), [[1, 1]])

      await begin(server)
      await untilDegraded(app, 'redis-writes', reason)
      assertProblem(await app.basket.add(2, 1), unavailable)
      await eventually(20_000, async () => assert.deepEqual(linesIn(await app.basket.get()), [[1, 1]]))
      await untilDegraded(app, 'redis-writes', reason)

      await end(server)
      await untilHealthy(app)
      assert.deepEqual(linesIn(await app.basket.add(1, 1)), [[1, 2]])
      const [failing = '', ...rest] = checkLog(lines, 'redis-writes')
      assert.match(failing, reason)
      assert.deepEqual(rest, ['health check passing again'])
    })

  test('because it pauses them (CLIENT PAUSE WRITE), the service serves reads, stays ready, and is degraded', async () => {
    await using server = await startServer()
    await using app = await openRedisApp({ REDIS_URL: `redis://127.0.0.1:${server.port}` })
    await untilHealthy(app)
    assert.deepEqual(linesIn(await app.basket.add(1, 1)), [[1, 1]])
    await server.send('CLIENT', 'PAUSE', '60000', 'WRITE')
    assertProblem(await app.basket.add(1, 1), unavailable)
    for (let read = 0; read < 20; read++) assert.deepEqual(linesIn(await app.basket.get()), [[1, 1]])
    await untilDegraded(app, 'redis-writes', /did not respond|is not responding/)
    assert.deepEqual(linesIn(await app.basket.get()), [[1, 1]])
    await server.send('CLIENT', 'UNPAUSE')
    await untilHealthy(app)
    assert.equal((await app.basket.add(1, 1)).statusCode, 200)
  })

  test('it reconnects reads and writes to the new primary although no client writes', async () => {
    await using primary = await startServer()
    await using replica = await startServer()
    using proxy = await startProxy(primary.port)
    await using app = await openRedisApp({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` })
    await untilHealthy(app)
    await primary.send('REPLICAOF', '127.0.0.1', String(replica.port))
    proxy.redirectTo(replica.port)
    await untilHealthy(app)
    assert.equal((await app.basket.add(1, 1)).statusCode, 200)
    await eventually(20_000, async () =>
      assert.doesNotMatch(JSON.stringify(await primary.send('CLIENT', 'LIST')), /name=basket-service/),
    )
  })

  for (const command of ['set', 'del', 'get', 'evalsha', 'script', 'wait'])
    test(`because its user may not send ${command}, the service is not ready, and logs what is missing`, async () => {
      await using server = await startServer()
      await using replica = await startServer()
      const { logger, lines } = recordingLogger()
      await eventually(20_000, () => replica.send('REPLICAOF', '127.0.0.1', String(server.port)))
      const rights = ['on', '>secret', '~basket:*', '+@all', `-${command}`]
      await eventually(20_000, () => server.send('ACL', 'SETUSER', 'weak', ...rights))
      const REDIS_URL = `redis://weak:secret@127.0.0.1:${server.port}`
      await using app = await openRedisApp({ REDIS_URL, BASKET_WAIT_REPLICAS: '1' }, logger)
      await eventually(20_000, async () => {
        const response = await app.health('/health/ready')
        assert.equal(response.statusCode, 503)
        assert.match(response.json().checks.redis.reason, /NOPERM.*docs\/redis\.md/)
      })
      await server.send('ACL', 'SETUSER', 'weak', `+${command}`)
      await untilHealthy(app)
      const [failing = '', ...rest] = checkLog(lines, 'redis-writes')
      assert.match(failing, /NOPERM/)
      assert.deepEqual(rest, ['health check passing again'])
    })
})
