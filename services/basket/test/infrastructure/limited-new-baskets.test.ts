import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '@shop/kernel/errors.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import type { ShareUsage } from '@shop/platform/limits/rates/policy.ts'
import { createRates } from '@shop/platform/limits/rates/rates.ts'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { type RequestContext, requestContext } from '@shop/platform/request-context.ts'
import { openRedis, type RedisStore } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import type { Basket } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import { limitNewBaskets } from '../../src/infrastructure/limited-new-baskets.ts'
import { redisBasketRepository } from '../../src/infrastructure/redis-basket-repository.ts'
import { aBasket, longTtl } from '../support/baskets.ts'
import { redisConfigOf } from '../support/redis-config.ts'

const limit = 2

/** Another one for each test: Redis remembers them for an hour. */
let address = ''
let addresses = 0
beforeEach(() => {
  address = `198.51.100.${++addresses}`
})

/** Adds as the client, or creates the basket. */
const write = (baskets: BasketRepository, user: string, request: Partial<RequestContext> = {}) =>
  requestContext.run({ requestId: '1', client: address, ...request }, () =>
    baskets.update(user, (basket): Basket => (basket ? { ...basket } : aBasket(user))),
  )

/** A store of limits that always responds in time, unlike Redis on a busy machine. */
const usageInMemory = (): ShareUsage => {
  const used = new Map<string, number>()
  return () => ({
    add: async (identity, points) => {
      const total = (used.get(identity) ?? 0) + points
      used.set(identity, total)
      return { used: total, resetMs: 3_600_000 }
    },
  })
}

let users = 0

/** Creates baskets until that fails. Returns how many were created, and the code of the error. */
const createAll = async (baskets: BasketRepository): Promise<[created: number, code: string]> => {
  for (let created = 0; ; created++)
    try {
      await write(baskets, `user${++users}`)
    } catch (error) {
      return [created, codeOf(error)]
    }
}

describe('the limit of new baskets in Redis', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let port: number
  let redis: ReturnType<typeof startRedis>
  before(async () => {
    port = await freePort()
    redis = startRedis(port)
  })
  after(() => redis.kill())

  const setMemory = (bytes: string) => onServer(port, (client) => client.configSet('maxmemory', bytes))
  const open = async (variables: Readonly<Record<string, string>> = {}) => {
    const config = redisConfigOf({ REDIS_URL: `redis://127.0.0.1:${port}`, ...variables })
    const store = openRedis(config, silentLogger)
    await eventually(20_000, store.ping)
    return { ...store, shareUsage: undefined }
  }
  /** The repository of a process. Those with the same `shareUsage` count together. */
  const limited = (
    store: Pick<RedisStore, 'get' | 'compareAndSet'> & Readonly<{ shareUsage?: ShareUsage | undefined }>,
    metrics = createMetrics('basket-service', '0'),
    perHour = limit,
  ) => {
    const { shareUsage = usageInMemory() } = store
    const options = { processes: 1, shareUsage, logger: silentLogger, metrics }
    const rates = createRates(options)
    return limitNewBaskets(redisBasketRepository(store, longTtl), perHour, { rates, metrics })
  }

  test('does not count baskets that Redis refuses', async () => {
    await using store = await open()
    const baskets = limited(store)
    await setMemory('1')
    for (let attempt = 0; attempt <= limit; attempt++)
      assert.deepEqual(await createAll(baskets), [0, 'unavailable'])
    await setMemory('0')
    assert.deepEqual(await createAll(baskets), [limit, 'rate_limited'])
  })

  test('counts baskets that Redis stores and does not confirm', async () => {
    await using store = await open({ BASKET_WAIT_REPLICAS: '1' })
    const baskets = limited(store)
    for (let attempt = 0; attempt < limit; attempt++)
      assert.deepEqual(await createAll(baskets), [0, 'unavailable'])
    assert.deepEqual(await createAll(baskets), [0, 'rate_limited'])
  })

  test('does not count a basket that another process creates first, and counts one once after a conflict', async () => {
    await using store = await open()
    const others = redisBasketRepository(store, longTtl)
    let interfere: () => Promise<unknown> = async () => {}
    const compareAndSet: typeof store.compareAndSet = async (...args) => {
      const first = interfere
      interfere = async () => {}
      await first()
      return store.compareAndSet(...args)
    }
    const baskets = limited({ ...store, compareAndSet })
    for (let attempt = 0; attempt <= limit; attempt++) {
      const user = `first${attempt}`
      interfere = () => others.update(user, () => aBasket(user))
      assert.equal((await write(baskets, user)).version, 2)
    }
    // Created and deleted by others in between: the write creates the basket at its third attempt.
    const user = 'deleted'
    interfere = async () => {
      await others.update(user, () => aBasket(user))
      interfere = () => others.update(user, () => undefined)
    }
    assert.equal((await write(baskets, user)).version, 1)
    assert.deepEqual(await createAll(baskets), [limit - 1, 'rate_limited'])
  })

  test('counts each basket of a burst once, whoever else writes to it, and refuses no change of it', async () => {
    await using store = await open()
    const baskets = limited(store)
    const burst = (user: string) => Promise.all(Array.from({ length: 20 }, () => write(baskets, user)))
    const remove = () => baskets.update('burst', () => undefined)
    assert.equal((await burst('burst')).at(-1)?.version, 20)
    // What the others gave back is told to Redis within 100 ms.
    await delay(200)
    const [, , recreated] = await Promise.all([write(baskets, 'burst'), remove(), write(baskets, 'burst')])
    assert.equal(recreated.version, 1)
    assert.deepEqual(await createAll(baskets), [limit - 2, 'rate_limited'])
    assert.equal((await burst('burst')).at(-1)?.version, 21)
  })

  test('is that of all processes together, also of many requests at once', async () => {
    await using one = await open()
    await using other = await open()
    const shareUsage = usageInMemory()
    const processes = [one, other].map((store) => limited({ ...store, shareUsage }, undefined, 50))
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => write(processes[index % 2] ?? assert.fail(), `many${index}`)),
    )
    const created = outcomes.filter(({ status }) => status === 'fulfilled').length
    // Each process may allow 2 % of the limit before it asks.
    assert.ok(created >= 45 && created <= 52, String(created))
    for (const baskets of processes) await assert.rejects(write(baskets, 'late'), hasCode('rate_limited'))
  })

  test('gives back the point of a basket that is refused, so that it takes none from later ones', async () => {
    await using store = await open()
    const usage = usageInMemory()
    const [baskets, other] = [1, 2].map(() => limited({ ...store, shareUsage: usage }))
    assert.ok(baskets && other)
    assert.deepEqual(await createAll(baskets), [limit, 'rate_limited'])
    await assert.rejects(write(other, 'refused'), hasCode('rate_limited'))
    await eventually(2_000, async () => {
      const identity = `address:${address}`
      const policy = { name: 'new_baskets', quota: limit, windowSeconds: 3_600 }
      assert.equal((await usage(policy).add(identity, 0)).used, limit)
    })
  })

  test('is that of the subject, else of the API key, else of the address; those with the scope unlimited have none', async () => {
    await using store = await open()
    const baskets = limited(store)
    const scopes = new Set<string>()
    const ann: Principal = { kind: 'user', subject: `ann ${address}`, scopes }
    const office: Principal = { kind: 'machine', name: `office${address}`, scopes }
    const unlimited: Principal = { kind: 'machine', name: 'front', scopes: new Set(['unlimited']) }
    const create = (principal: Principal, from: string | undefined) =>
      write(baskets, `user${++users}`, { principal, client: from })
    for (const principal of [ann, office]) {
      for (const from of [address, '192.0.2.1']) await create(principal, from)
      await assert.rejects(create(principal, '192.0.2.2'), hasCode('rate_limited'))
    }
    assert.deepEqual(await createAll(baskets), [limit, 'rate_limited'])
    for (const principal of [unlimited, anonymous])
      for (let count = 0; count <= limit; count++)
        await create(principal, principal === unlimited ? address : undefined)
  })

  test('counts a refusal once, even if it was found again after a conflict', async () => {
    await using store = await open()
    const others = redisBasketRepository(store, longTtl)
    const metrics = createMetrics('basket-service', '0')
    let attempts = 0
    const compareAndSet: typeof store.compareAndSet = async (...args) => {
      attempts += 1
      if (attempts === limit + 2) await others.update('removed', (basket) => basket && { ...basket })
      return store.compareAndSet(...args)
    }
    const baskets = limited({ ...store, compareAndSet }, metrics)
    await createAll(baskets)
    const user = 'removed'
    await others.update(user, () => aBasket(user))
    const running = write(baskets, user)
    // Stored together, at the second attempt.
    const removal = baskets.update(user, () => undefined)
    const refused = assert.rejects(write(baskets, user), hasCode('rate_limited'))
    await Promise.all([running, removal, refused])
    assert.equal(attempts, limit + 3)
    assert.match(
      await metrics.registry.getSingleMetricAsString('requests_refused_total'),
      /reason="new_baskets"\S* 2$/m,
    )
  })
})
