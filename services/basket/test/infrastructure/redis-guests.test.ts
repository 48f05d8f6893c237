import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { onRedis, redisUrl, withoutRedis } from '@shop/testing/stores/redis.ts'
import { createGuest, requestsTo, unknownGuest } from '../support/guests.ts'
import { send } from '../support/http.ts'
import { openRedisApp, untilHealthy } from '../support/redis-app.ts'

/** A command as MONITOR shows it, without the time, the script and the record. */
const shortened = (line: string): string =>
  line
    .replace(/^.*?\] /, '')
    .replaceAll('"', '')
    .replace(/^(EVALSHA) \S+/, '$1')
    .replace(/\{.*(?= \d+$)/, 'RECORD')

/** Calls `use`, and returns the commands about the key of the user that Redis has received meanwhile, without those of scripts. */
const commandsAbout = async (userId: string, use: () => Promise<unknown>): Promise<string[]> => {
  const lines: string[] = []
  await onRedis(async (monitor) => {
    await monitor.monitor((line) => lines.push(String(line)))
    await use()
    await onRedis((client) => client.get('the end'))
    await eventually(20_000, async () => assert.ok(lines.some((line) => line.includes('the end'))))
  })
  return lines.filter((line) => line.includes(userId) && !line.includes(' lua] ')).map(shortened)
}

test('Redis only reads for an unknown guest, and stores the lifetime of a basket with it', {
  skip: withoutRedis,
}, async () => {
  await using app = await openRedisApp({ REDIS_URL: redisUrl, BASKET_TTL_SECONDS: '86400' })
  await untilHealthy(app)
  const unknown = unknownGuest()
  for (const [name, request] of Object.entries(requestsTo(app.http, unknown))) {
    const commands = await commandsAbout(unknown, async () =>
      assert.equal((await request()).statusCode, 404, name),
    )
    assert.deepEqual(commands, [`GET basket:${unknown}`], name)
  }

  const guest = await createGuest(app.http)
  const key = `basket:${guest}`
  const ttl = () => onRedis((client) => client.ttl(key))
  assert.ok((await ttl()) > 3_500 && (await ttl()) <= 3_600)
  const { add, clear, delete: remove } = requestsTo(app.http, guest)
  assert.deepEqual(await commandsAbout(guest, add), [`GET ${key}`, `EVALSHA 1 ${key} RECORD 86400`])
  assert.ok((await ttl()) > 86_300)
  assert.deepEqual(await commandsAbout(guest, clear), [`EVALSHA 1 ${key} RECORD 3600`])
  assert.ok((await ttl()) <= 3_600)
  await remove()
})

test('an error reply of Redis that quotes the key does not bring it into the log', {
  skip: withoutRedis,
}, async () => {
  const { logger, lines } = recordingLogger()
  await using app = await openRedisApp({ REDIS_URL: redisUrl }, logger, logger)
  await untilHealthy(app)
  const guest = await createGuest(app.http)
  const key = `basket:${guest}`
  await onRedis(async (client) => {
    await client.del(key)
    await client.lPush(key, 'not a basket')
  })
  for (const request of Object.values(requestsTo(app.http, guest))) {
    const { statusCode, body } = await request()
    assert.equal(statusCode, 500)
    assert.ok(!body.includes(guest))
  }
  await onRedis((client) => client.set(key, '{"damaged":'))
  assert.equal((await send(app.http, 'GET', `/baskets/${guest}`)).statusCode, 500)
  await onRedis((client) => client.del(key))
  assert.match(JSON.stringify(lines), /WRONGTYPE.*a stored basket cannot be read/)
  assert.ok(!JSON.stringify(lines).includes(guest.slice(6)))
  assert.ok(!(await app.scrape()).includes(guest.slice(6)))
})
