import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { onRedis, ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aBasket } from '../support/baskets.ts'

test('creates a span for each command of a request, with the error and without the key', {
  skip: withoutRedis,
}, async () => {
  const user = `${ownPrefix()}ann`
  const spans = await spansOf(async () => {
    const config = readConfig({ REDIS_URL: redisUrl })
    await using adapters = await openAdapters({ config, logger: silentLogger })
    const { baskets } = adapters.ports
    await eventually(20_000, () => baskets.find(user))
    await inRequest('write', () => baskets.update(user, () => aBasket(user)))
    await onRedis(async (client) => {
      await client.del(`basket:${user}`)
      await client.lPush(`basket:${user}`, 'not a basket')
    })
    await inRequest('fail', () => assert.rejects(baskets.find(user)))
  })
  await removeKeys(`basket:${user}`)

  const commandsOf = (request: string) => {
    const parent = spans.find(({ name }) => name === request)
    return spans.filter(({ parentId }) => parentId === parent?.id)
  }
  const [get, evalsha] = commandsOf('write')
  assert.deepEqual([get?.name, get?.kind, get?.failed], ['GET', 'client', false])
  assert.deepEqual(get?.attributes, {
    'db.system.name': 'redis',
    'db.operation.name': 'GET',
    'db.namespace': new URL(redisUrl).pathname.slice(1),
    'server.address': new URL(redisUrl).hostname,
    'server.port': Number(new URL(redisUrl).port),
  })
  // If the server replies NOSCRIPT, the script is loaded and run again; the first span still does not count as failed.
  assert.deepEqual([evalsha?.name, evalsha?.failed], ['EVALSHA', false])

  const [failed, ...more] = commandsOf('fail')
  assert.deepEqual(more, [])
  assert.deepEqual([failed?.attributes['error.type'], failed?.failed], ['WRONGTYPE', true])
  assert.ok(!JSON.stringify(spans).includes(user))
  assert.deepEqual(
    spans.filter(({ parentId }) => parentId === '').map(({ name }) => name),
    ['write', 'fail'],
  )
})

test('links the requests whose writes are stored together to the one whose trace has the command', {
  skip: withoutRedis,
}, async () => {
  const user = `${ownPrefix()}ann`
  const spans = await spansOf(async () => {
    const config = readConfig({ REDIS_URL: redisUrl })
    await using adapters = await openAdapters({ config, logger: silentLogger })
    const { baskets } = adapters.ports
    await eventually(20_000, () => baskets.find(user))
    const write = (name: string) =>
      inRequest(name, () => baskets.update(user, (basket) => (basket ? { ...basket } : aBasket(user))))
    await Promise.all(['alone', 'first', 'second', 'third'].map(write))
  })
  await removeKeys(`basket:${user}`)
  const spanOf = (request: string) => spans.find(({ name }) => name === request)
  const evalshas = spans.filter(({ name }) => name === 'EVALSHA').map(({ parentId }) => parentId)
  // Unless the script had to be loaded, which takes the first write a second one.
  assert.deepEqual(new Set(evalshas), new Set([spanOf('alone')?.id, spanOf('first')?.id]))
  for (const joined of ['second', 'third']) assert.deepEqual(spanOf(joined)?.links, [spanOf('first')?.id])
})
