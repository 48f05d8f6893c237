import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCluster } from '@redis/client'
import type { Clock } from '@shop/kernel/clock.ts'
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
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite/sqlite-basket-repository.ts'
import { redisConfigOf } from './redis-config.ts'

/** In seconds; longer than any test takes. */
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

export const ownFolder = () => mkdtempDisposable(join(tmpdir(), 'basket-test-'))

/** The number of baskets in the file, including expired ones. */
export const rowsIn = (sqlite: Sqlite) =>
  sqlite.prepare('select count(*) as count from baskets').get()?.['count']

/** A basket store for a test suite. */
export type Store = AsyncDisposable &
  Readonly<{
    /** Opens a repository over a new connection. */
    connect: (ttlSeconds?: number, clock?: Clock) => Promise<BasketRepository>
    /** Reads the stored record of the user's basket, without a repository. */
    read: (userId: string) => Promise<string | undefined>
    /** Writes a record for the user, without a repository. */
    write: (userId: string, record: string) => Promise<void>
    /** Makes the user's basket expire this many seconds earlier. */
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
    write: async (userId, record) => {
      direct
        .prepare('insert into baskets (user_id, record, expires_at) values (?, ?, ?)')
        .run(userId, record, Date.now() + longTtl * 1_000)
    },
    age: async (userId, seconds) => {
      direct
        .prepare('update baskets set expires_at = expires_at - ? where user_id = ?')
        .run(seconds * 1_000, userId)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** The methods of a Redis client with which a store bypasses the repositories. */
type DirectClient = Readonly<{
  set: (key: string, value: string) => Promise<unknown>
  pTTL: (key: string) => Promise<number>
  pExpire: (key: string, ms: number) => Promise<unknown>
}>

/** Opens a store on the Redis of these variables, with a key prefix. `on` runs a function with a direct client. */
const openStoreOn = async (
  stack: AsyncDisposableStack,
  variables: Readonly<Record<string, string>>,
  prefix: string,
  on: (use: (client: DirectClient) => Promise<unknown>) => Promise<unknown>,
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
    write: async (userId, record) => {
      await on((client) => client.set(`${prefix}${userId}`, record))
    },
    age: async (userId, seconds) => {
      const key = `${prefix}${userId}`
      await on(async (client) => {
        const remainingMs = await client.pTTL(key)
        // The result is negative if there is no key or no time to live. PEXPIRE would then delete the key.
        if (remainingMs >= 0) await client.pExpire(key, remainingMs - seconds * 1_000)
      })
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const openRedisStore = async (): Promise<Store> => {
  const stack = new AsyncDisposableStack()
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(prefix))
  return openStoreOn(stack, { REDIS_URL: redisUrl }, prefix, onRedis)
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
  return openStoreOn(stack, variables, 'basket:', (use) => use(client))
}

/** A store for each adapter of the repository port. */
export const stores = [
  { technology: 'SQLite', open: openSqliteStore, skip: false },
  { technology: 'Redis', open: openRedisStore, skip: withoutRedis },
  { technology: 'Redis Cluster', open: openClusterStore, skip: withoutOwnRedis },
]
