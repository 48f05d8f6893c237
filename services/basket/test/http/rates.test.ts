import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { systemContext } from '@shop/kernel/context.ts'
import type { ShareUsage } from '@shop/platform/limits/rates/policy.ts'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { redisUrl, withoutRedis } from '@shop/testing/stores/redis.ts'
import { createApp } from '../../src/app.ts'
import { costs } from '../../src/application/costs.ts'
import { useCases } from '../../src/application/use-cases.ts'
import { readConfig } from '../../src/config.ts'
import { aProduct } from '../support/baskets.ts'
import { unknownGuest } from '../support/guests.ts'
import { openPorts } from '../support/ports.ts'

type Config = NonNullable<Parameters<typeof createApp>[3]>

/** An address that no other test has. */
const newAddress = (): string => {
  const hex = randomBytes(4).toString('hex')
  return `2001:db8:${hex.slice(0, 4)}:${hex.slice(4)}::1`
}

const open = async (config: Config, shareUsage?: ShareUsage) => {
  const stack = new AsyncDisposableStack()
  const { ports } = stack.use(await openPorts(async (id) => aProduct({ id })))
  const { logger, lines } = recordingLogger()
  const metrics = createMetrics('basket-service', '0')
  const app = stack.use(await createApp({ ports, dependencies: [], shareUsage }, logger, metrics, config))
  const sendFrom =
    (remoteAddress: string) =>
    async (method: 'GET' | 'POST' | 'PATCH', url: string, payload?: object, headers = {}) =>
      app.http.inject({ method, url, remoteAddress, headers, ...(payload && { payload }) })
  return { lines, ports, sendFrom, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

describe('the rate limits of guests', () => {
  it('are their own once their baskets were seen, and invented ids use that of the address', async () => {
    await using shop = await open({ rates: { reads: 3, writes: undefined } })
    const send = shop.sendFrom('192.0.2.1')
    const newGuest = async (): Promise<string> =>
      (await send('POST', '/baskets', { guest: true })).json().user_id
    const guests = [await newGuest(), await newGuest()]
    const read = async (guest = '') => (await send('GET', `/baskets/${guest}`)).statusCode

    // The first read of each is that of the address.
    for (const guest of guests) assert.equal(await read(guest), 200)
    for (const guest of guests)
      for (const expected of [200, 200, 200, 429, 429]) assert.equal(await read(guest), expected)
    assert.equal(await read(unknownGuest()), 404)
    for (let count = 0; count < 20; count++) assert.equal(await read(unknownGuest()), 429)
    assert.doesNotMatch(JSON.stringify(shop.lines), /guest:/)
  })
})

describe('the rate limit of writes', () => {
  it('weighs several items by their number: 100 cost as much as eleven writes, also if they are repeated with a key', async () => {
    await using shop = await open({ rates: { reads: undefined, writes: 36 } })
    const send = shop.sendFrom('192.0.2.2')
    const itemsOf = (count: number) => ({
      items: Array.from({ length: count }, (_, index) => ({ product_id: index + 1, quantity: 1 })),
    })
    const key = { 'idempotency-key': 'one' }
    for (const [method, count, headers, expected] of [
      ['POST', 100, key, 200],
      ['POST', 100, key, 200],
      ['PATCH', 100, {}, 200],
      ['PATCH', 10, {}, 200],
      // One point is left.
      ['POST', 10, {}, 429],
      ['POST', 9, {}, 429],
    ] as const) {
      const { statusCode } = await send(method, '/baskets/ann/items', itemsOf(count), headers)
      assert.equal(statusCode, expected, `${method} of ${count}`)
    }
  })
})

it('every use case has a cost', async () => {
  await using shop = await open({})
  const { commands, queries } = useCases(shop.ports)
  assert.deepEqual(Object.keys(costs).toSorted(), Object.keys({ ...commands, ...queries }).toSorted())
  assert.equal(systemContext('job').allowance, undefined)
})

describe('the rate limits of two instances with one Redis', { skip: withoutRedis }, () => {
  const openStore = () => {
    const { storage } = readConfig({ REDIS_URL: redisUrl })
    assert.ok(storage.kind === 'redis')
    return openRedis(storage.redis, silentLogger)
  }

  const notShared = 'rate limits are not shared: each process counts by itself'

  for (const quota of [1, 12, 49])
    it(`allow ${quota} requests together, and refuse the next one`, async () => {
      await using stack = new AsyncDisposableStack()
      const rates = { reads: undefined, writes: quota }
      const instances: Awaited<ReturnType<typeof open>>[] = []
      for (let count = 0; count < 2; count++) {
        const store = stack.use(openStore())
        await eventually(5_000, store.ping)
        instances.push(stack.use(await open({ rates }, store.shareUsage)))
      }
      const outages = () =>
        instances.flatMap(({ lines }) => lines).filter(({ msg }) => msg === notShared).length
      /** Sends more requests than are allowed, at the same time, and returns how many were. */
      const send = async () => {
        const address = newAddress()
        const statuses = await Promise.all(
          Array.from({ length: quota + 20 }, async (_, index) => {
            const request = instances[index % 2]?.sendFrom(address)
            return (await request?.('POST', '/baskets', { user_id: `user-${index}` }))?.statusCode
          }),
        )
        return {
          allowed: statuses.filter((status) => status === 201 || status === 200).length,
          refused: statuses.filter((status) => status === 429).length,
        }
      }
      // On a busy machine, Redis may not respond within 50 ms: then the limits are not shared for a while.
      await eventually(20_000, async () => {
        const earlier = outages()
        const totals = await send()
        if (outages() > earlier) throw new Error('Redis was too slow')
        assert.deepEqual(totals, { allowed: quota, refused: 20 })
      })
    })
})
