import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis } from '@shop/testing/stores/own-redis.ts'
import { openRedisApp, type RedisApp, untilHealthy } from './redis-app.ts'

export const startServer = async () => {
  const port = await freePort()
  const redis = startRedis(port)
  const send = (...command: string[]) => onServer(port, (client) => client.sendCommand(command))
  await eventually(20_000, () => send('PING'))
  return { port, send, url: `redis://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => redis.kill() }
}

/** The user of docs/redis.md in the last release. */
export const lastRelease =
  'on >secret ~basket:* -@all +get +set +del +expire +evalsha +script|load +ping +select +wait +scan +dbsize +info +cluster|slots +cluster|info +asking'

export const limit = 3

let created = 0
/** Creates a basket of a new user. Resolves with the status. */
export const create = async (app: RedisApp) => (await app.basketOf(`new-${++created}`).create()).statusCode

const isWarning = ({ level }: Readonly<Record<string, unknown>>) => Number(level) >= 40

/** With these permissions, the process limits by itself, one warning names the reason, and all else works. */
export const assertCountsByItself = async (permissions: string, reason: RegExp): Promise<void> => {
  await using server = await startServer()
  await server.send('ACL', 'SETUSER', 'basket', ...permissions.split(' '))
  const { logger, lines } = recordingLogger()
  const user = { REDIS_URL: server.url, REDIS_USERNAME: 'basket', REDIS_PASSWORD: 'secret' }
  await using app = await openRedisApp({ ...user, NEW_BASKETS_PER_HOUR: String(limit) }, logger, logger)
  await untilHealthy(app)
  assert.equal((await app.basket.create()).statusCode, 201)
  for (let count = 1; count < limit; count++) assert.equal(await create(app), 201)
  assert.equal(await create(app), 429)
  // Redis is asked again after a second.
  await delay(1_100)
  assert.equal(await create(app), 429)
  assert.equal((await app.basket.add(1, 1)).statusCode, 200)
  await untilHealthy(app)
  const warnings = lines.filter(isWarning)
  assert.match(JSON.stringify(warnings), /rate limits are not shared/)
  assert.match(JSON.stringify(warnings), reason)
  assert.equal(warnings.length, 1, JSON.stringify(warnings))
}
