import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCluster } from '@redis/client'
import type { Clock } from '@shop/kernel/clock.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { openSqlite, type Sqlite } from '@shop/platform/embedded/sqlite.ts'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { onRedis, ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { type Basket, newBasket } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import type { CatalogProduct } from '../../src/domain/product-catalog.ts'
import { redisBasketRepository } from '../../src/infrastructure/redis-basket-repository.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite-basket-repository.ts'
import { redisConfigOf } from './redis-config.ts'

/** Longer than any test takes. */
export const longTtl = 3_600

export const aProduct = (fields: Partial<CatalogProduct> = {}): CatalogProduct => ({
  id: 1,
  name: '1984',
  price: 1_499n,
  category: 'Books',
  stock: 75,
  ...fields,
})

export const aBasket = (userId = 'user123'): Basket =>
  newBasket(userId, crypto.randomUUID(), new Date('2026-11-22T09:58:00.123Z'))

/** For `assert.rejects` and `assert.throws`: an error with this code and these details. */
export const coded = (code: string, details?: object) => (error: unknown) => {
  if (!(error instanceof AppError)) throw error
  assert.equal(error.code, code)
  if (details !== undefined) assert.deepEqual(error.details, details)
  return true
}

export const ownFolder = () => mkdtempDisposable(join(tmpdir(), 'basket-test-'))

/** How many baskets the file has, expired ones included. */
export const rowsIn = (sqlite: Sqlite) =>
  sqlite.prepare('select count(*) as number from baskets').get()?.['number']

/** A place for baskets that one test has to itself. */
export type Store = AsyncDisposable &
  Readonly<{
    /** A repository over a connection of its own. */
    connect: (ttlSeconds?: number, clock?: Clock) => Promise<BasketRepository>
    /** What is kept for the user, read and written past the repositories. */
    read: (userId: string) => Promise<string | undefined>
    write: (userId: string, text: string) => Promise<void>
    /** As if so much time had passed for the user's basket. */
    age: (userId: string, seconds: number) => Promise<void>
  }>

const openSqliteStore = async (): Promise<Store> => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await ownFolder())
  const open = () => stack.use(openSqlite(join(folder.path, 'baskets.sqlite')))
  const direct = open()
  return {
    connect: async (ttlSeconds = longTtl, clock) => sqliteBasketRepository(open(), ttlSeconds, clock),
    read: async (userId) =>
      direct.prepare('select record from baskets where user_id = ?').get(userId)?.['record']?.toString(),
    write: async (userId, text) => {
      direct
        .prepare('insert into baskets (user_id, record, expires_at) values (?, ?, ?)')
        .run(userId, text, Date.now() + longTtl * 1_000)
    },
    age: async (userId, seconds) => {
      direct
        .prepare('update baskets set expires_at = expires_at - ? where user_id = ?')
        .run(seconds * 1_000, userId)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Of a Redis client, what a store needs to read and write past the repositories. */
type Direct = Readonly<{
  set: (key: string, value: string) => Promise<unknown>
  pTTL: (key: string) => Promise<number>
  pExpire: (key: string, ms: number) => Promise<unknown>
}>

/** The baskets under the prefix in the Redis of that configuration, which `on` gives a direct way to. */
const redisStore = async (
  stack: AsyncDisposableStack,
  variables: Readonly<Record<string, string>>,
  prefix: string,
  on: (use: (client: Direct) => Promise<unknown>) => Promise<unknown>,
): Promise<Store> => {
  const open = async () => {
    const redis = stack.use(openRedis(redisConfigOf(variables), silentLogger))
    await eventually(20_000, redis.ping)
    return redis
  }
  const direct = await open()
  return {
    connect: async (ttlSeconds = longTtl, clock) =>
      redisBasketRepository(await open(), ttlSeconds, prefix, clock),
    read: async (userId) => (await direct.get(`${prefix}${userId}`)) ?? undefined,
    write: async (userId, text) => {
      await on((client) => client.set(`${prefix}${userId}`, text))
    },
    age: async (userId, seconds) => {
      const key = `${prefix}${userId}`
      await on(async (client) => {
        const left = await client.pTTL(key)
        // Without a time to live it would not expire, however much time passed.
        if (left >= 0) await client.pExpire(key, left - seconds * 1_000)
      })
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const openRedisStore = async (): Promise<Store> => {
  const stack = new AsyncDisposableStack()
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(prefix))
  return redisStore(stack, { REDIS_URL: redisUrl }, prefix, onRedis)
}

const openClusterStore = async (): Promise<Store> => {
  const stack = new AsyncDisposableStack()
  const { addresses, variables } = stack.use(await startOwnCluster())
  const client = createCluster({
    rootNodes: addresses.split(',').map((address) => ({ url: `redis://${address}` })),
  })
  client.on('error', () => {})
  await client.connect()
  stack.defer(() => client.destroy())
  return redisStore(stack, variables, 'basket:', (use) => use(client))
}

/** Every adapter of the port, for suites that run over each. */
export const stores = [
  { technology: 'SQLite', open: openSqliteStore, skip: false },
  { technology: 'Redis', open: openRedisStore, skip: withoutRedis },
  { technology: 'Redis Cluster', open: openClusterStore, skip: withoutOwnRedis },
]
