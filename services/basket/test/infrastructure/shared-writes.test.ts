import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AppError, codeOf } from '@shop/kernel/errors.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import { openRedis, type RedisStore } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { onRedis, ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { type Basket, requireExpected } from '../../src/domain/basket.ts'
import { redisBasketRepository } from '../../src/infrastructure/redis-basket-repository.ts'
import { aBasket, longTtl } from '../support/baskets.ts'
import { redisConfigOf } from '../support/redis-config.ts'

const prefix = ownPrefix()
let users = 0
const newUser = () => `user-${++users}`

const touch = (basket: Basket | undefined): Basket => (basket ? { ...basket } : aBasket())
const isInternal = (error: unknown) => codeOf(error) === 'internal'
const unchanged = <Value>(value: Value): Value => value
const versionsOf = (written: readonly Basket[]) => written.map(({ version }) => version)

describe('writes of one basket in Redis', { skip: withoutRedis }, () => {
  let redis: RedisStore
  before(async () => {
    redis = openRedis(redisConfigOf({ REDIS_URL: redisUrl }), silentLogger)
    await eventually(20_000, redis.ping)
  })
  after(async () => {
    await redis[Symbol.asyncDispose]()
    await removeKeys(prefix)
  })

  /** A process of its own: its memory is empty. `commands` are those that it has sent since they were last taken. */
  const open = (
    compareAndSet: RedisStore['compareAndSet'] = redis.compareAndSet,
    waitsForReplicas = false,
  ) => {
    let sent: string[] = []
    const recorded = {
      waitsForReplicas,
      get: (key: string) => {
        sent.push('get')
        return redis.get(key)
      },
      compareAndSet: (...args: Parameters<RedisStore['compareAndSet']>) => {
        sent.push('compareAndSet')
        return compareAndSet(...args)
      },
    }
    const commands = () => {
      const taken = sent
      sent = []
      return taken
    }
    return { ...redisBasketRepository(recorded, longTtl, prefix), commands }
  }

  test('that wait are stored by one compare-and-set, at most 100 of them', async () => {
    const { update, commands } = open()
    const user = newUser()
    const burst = (count: number) => Promise.all(Array.from({ length: count }, () => update(user, touch)))
    assert.deepEqual(versionsOf(await burst(3)), [1, 2, 3])
    assert.deepEqual(commands(), ['get', 'compareAndSet', 'compareAndSet'])
    assert.deepEqual(
      versionsOf(await burst(202)),
      Array.from({ length: 202 }, (_, index) => 4 + index),
    )
    assert.deepEqual(commands(), ['compareAndSet', 'compareAndSet', 'compareAndSet', 'compareAndSet'])
    assert.equal((await open().find(user))?.version, 205)
  })

  test('are made without a GET if this process wrote last', async () => {
    const { update, find, commands } = open()
    const user = newUser()
    await update(user, touch)
    commands()
    assert.equal((await update(user, touch)).version, 2)
    assert.deepEqual(commands(), ['compareAndSet'])
    await find(user)
    assert.deepEqual(commands(), ['get'])
  })

  test('are applied anew to what another process has written, and then a GET is saved again', async () => {
    const { update, commands } = open()
    const user = newUser()
    await update(user, touch)
    await open().update(user, touch)
    commands()
    const seen: (number | undefined)[] = []
    const write = () =>
      update(user, (stored) => {
        seen.push(stored?.version)
        return touch(stored)
      })
    assert.equal((await write()).version, 3)
    assert.deepEqual(seen, [1, 2])
    assert.deepEqual(commands(), ['compareAndSet', 'compareAndSet'])
    await write()
    assert.deepEqual(commands(), ['compareAndSet'])
  })

  test('are not refused for what this process remembers', async () => {
    const { update, commands } = open()
    const user = newUser()
    const { id } = await update(user, touch)
    await open().update(user, touch)
    commands()
    const ifVersion = (version: number) =>
      update(user, (stored) => {
        requireExpected(stored, [{ id, version }])
        return touch(stored)
      })
    assert.equal((await ifVersion(2)).version, 3)
    assert.deepEqual(commands(), ['get', 'compareAndSet'])
    await open().update(user, touch)
    await assert.rejects(ifVersion(3), /the basket is at version 4$/)
    assert.deepEqual(commands(), ['compareAndSet'])
    await assert.rejects(ifVersion(2), /the basket is at version 4$/)
    assert.deepEqual(commands(), ['get'])
  })

  test('that change nothing return what Redis holds', async () => {
    const { update, commands } = open()
    const user = newUser()
    await update(user, touch)
    const other = open()
    await other.update(user, touch)
    commands()
    assert.equal((await update(user, unchanged))?.version, 2)
    assert.deepEqual(commands(), ['get'])
    await other.update(user, () => undefined)
    assert.equal(await update(user, unchanged), undefined)
    assert.deepEqual(commands(), ['get'])
  })

  test('that change nothing are written again if writes wait for replicas, to what another process has written too', async () => {
    const { update, commands } = open(redis.compareAndSet, true)
    const user = newUser()
    assert.equal(await update(user, unchanged), undefined)
    assert.deepEqual(commands(), ['get'])
    await update(user, touch)
    commands()
    assert.equal((await update(user, unchanged))?.version, 1)
    assert.deepEqual(commands(), ['compareAndSet'])
    await open().update(user, touch)
    assert.equal((await update(user, unchanged))?.version, 2)
    assert.deepEqual(commands(), ['compareAndSet', 'compareAndSet'])
    const refuse = () => {
      throw new Error('refused')
    }
    await assert.rejects(update(user, refuse), /refused/)
    assert.deepEqual(commands(), ['get'])
    const running = update(user, touch)
    const [same, refused, written] = await Promise.allSettled([
      update(user, unchanged),
      update(user, refuse),
      update(user, touch),
    ])
    await running
    assert.deepEqual(
      [same, written].map((outcome) => outcome.status === 'fulfilled' && outcome.value?.version),
      [3, 4],
    )
    assert.equal(refused.status, 'rejected')
    // The replay and the write that wait are confirmed together.
    assert.deepEqual(commands(), ['compareAndSet', 'compareAndSet'])
  })

  test('create a new basket if the remembered one has expired', async () => {
    const { update } = open()
    const user = newUser()
    const first = await update(user, touch)
    await update(user, touch)
    await onRedis((client) => client.pExpire(`${prefix}${user}`, 1))
    await eventually(20_000, async () => assert.equal(await redis.get(`${prefix}${user}`), null))
    const created = await update(user, touch)
    assert.equal(created.version, 1)
    assert.notEqual(created.id, first.id)
  })

  test('that are created and removed together leave nothing', async () => {
    const { update } = open()
    const user = newUser()
    const running = update(user, unchanged)
    const [created, removed] = await Promise.all([update(user, touch), update(user, () => undefined)])
    assert.deepEqual([await running, created.version, removed], [undefined, 1, undefined])
    assert.equal(await redis.get(`${prefix}${user}`), null)
  })

  test('fail alike, refusals too, if the outcome is unknown; then nothing is remembered', async () => {
    const failure = new AppError('unavailable', 'did not respond in time')
    let fails = false
    const { update, commands } = open(async (...args) => {
      const result = await redis.compareAndSet(...args)
      if (fails) throw failure
      return result
    })
    const user = newUser()
    const running = update(user, touch)
    const refused = update(user, () => {
      throw new Error('refused')
    })
    const written = update(user, touch)
    await running
    fails = true
    for (const lost of [refused, written]) await assert.rejects(lost, (error) => error === failure)
    fails = false
    commands()
    assert.equal((await update(user, touch)).version, 3)
    assert.deepEqual(commands(), ['get', 'compareAndSet'])
  })

  test('are remembered if a change throws, whatever it throws', async () => {
    const { update, commands } = open()
    const user = newUser()
    await update(user, touch)
    commands()
    const unavailable = update(user, () => {
      throw new AppError('unavailable', 'thrown by a change')
    })
    await assert.rejects(unavailable, hasCode('unavailable'))
    assert.equal((await update(user, touch)).version, 2)
    assert.deepEqual(commands(), ['get', 'compareAndSet'])
  })

  test('fail alike if the record is damaged, and leave it as it is', async () => {
    const { update } = open()
    const user = newUser()
    await update(user, touch)
    await onRedis((client) => client.set(`${prefix}${user}`, 'damaged'))
    const lost = [1, 2, 3].map(() => assert.rejects(update(user, touch), isInternal))
    await Promise.all(lost)
    assert.equal(await redis.get(`${prefix}${user}`), 'damaged')
  })

  test('of a client with many do not delay those of another', async () => {
    const { promise: connected, resolve: connect } = Promise.withResolvers<void>()
    const { update } = open(async (...args) => {
      await connected
      return redis.compareAndSet(...args)
    })
    const user = newUser()
    const writeAs = (client: string) =>
      requestContext.run({ requestId: client, client }, () => update(user, touch))
    const many = Array.from({ length: 400 }, () => writeAs('many'))
    const other = writeAs('other')
    connect()
    assert.ok((await other).version <= 3)
    await Promise.all(many)
  })

  test('are sent with the ids of all requests that wait for them', async () => {
    const ids: unknown[] = []
    const { update } = open((...args) => {
      const { requestId, joinedIds } = requestContext.getStore() ?? {}
      ids.push([requestId, joinedIds?.()])
      return redis.compareAndSet(...args)
    })
    const user = newUser()
    await Promise.all(
      ['first', 'second', 'third'].map((requestId) =>
        requestContext.run({ requestId }, () => update(user, touch)),
      ),
    )
    assert.deepEqual(ids, [
      ['first', undefined],
      ['second', ['third']],
    ])
  })
})
