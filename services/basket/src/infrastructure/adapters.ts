import { randomBytes, randomUUID } from 'node:crypto'
import { systemClock } from '@shop/kernel/clock.ts'
import type { AsyncFunctions } from '@shop/platform/decorate.ts'
import { lockFolder } from '@shop/platform/embedded/folder-lock.ts'
import { openStorage } from '@shop/platform/embedded/open-storage.ts'
import { openSqlite, stopWaiting } from '@shop/platform/embedded/sqlite.ts'
import { mapSqliteErrors, waitForLock } from '@shop/platform/embedded/sqlite-errors.ts'
import { eventHub } from '@shop/platform/event-hub.ts'
import type { Dependency } from '@shop/platform/health/health.ts'
import type { ShareUsage } from '@shop/platform/limits/rates/policy.ts'
import { createFailureLog } from '@shop/platform/logging/failure-log.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { exposeSamples } from '@shop/platform/metrics/business-metrics.ts'
import { measureStore } from '@shop/platform/metrics/measured.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import { isTracing } from '@shop/platform/tracing/api.ts'
import type { RedisConfig } from '@shop/redis/connection.ts'
import { memoryMetrics } from '@shop/redis/memory.ts'
import { openRedis, type RedisStore } from '@shop/redis/store.ts'
import { traceCommands } from '@shop/redis/tracing.ts'
import type { Ports } from '../domain/ports.ts'
import { openProductService, type ProductServiceConfig } from './product-service.ts'
import { keyPrefix, redisBasketRepository } from './redis-basket-repository.ts'
import { redisBasketStatistics } from './redis-basket-statistics.ts'
import { redisDependencies } from './redis-dependencies.ts'
import { sqliteBasketExpiry } from './sqlite/sqlite-basket-expiry.ts'
import { sqliteBasketRepository } from './sqlite/sqlite-basket-repository.ts'
import { sqliteBasketStatistics } from './sqlite/sqlite-basket-statistics.ts'
import { sqliteDependencies } from './sqlite/sqlite-dependencies.ts'

export type StorageConfig =
  | Readonly<{ kind: 'embedded'; file: string }>
  | Readonly<{ kind: 'redis'; redis: RedisConfig }>

type AdapterConfig = Readonly<{
  storage: StorageConfig
  ttlSeconds: number
  productService: ProductServiceConfig
}>

type Storage = AsyncDisposable &
  Pick<Ports, 'baskets' | 'statistics' | 'expiry'> &
  Readonly<{ dependencies: readonly Dependency[]; shareUsage?: ShareUsage }>

const sqliteMessages = { busy: 'too many concurrent writes', unusable: 'the basket store is unavailable' }

/** The Redis commands that the adapters use, measured if metrics are given. */
const commandsOf = (redis: RedisStore, metrics: Metrics | undefined) => {
  const { get, compareAndSet, sampleKeyspace, memory, ping, pingReplicas } = redis
  const { checkAccess, writeDefect, evictionDefect } = redis
  const checks = { ping, pingReplicas, checkAccess, writeDefect, evictionDefect }
  const commands = { get, compareAndSet, sampleKeyspace, memory, ...checks }
  return metrics === undefined ? commands : measureStore('redis', commands, metrics)
}

const openRedisStorage = (
  config: RedisConfig,
  ttlSeconds: number,
  { logger, metrics }: AdapterOptions<unknown>,
): Storage => {
  const tracing = isTracing() ? traceCommands() : undefined
  const redis = openRedis(config, logger)
  const commands = commandsOf(redis, metrics)
  metrics?.watchPool('redis', redis.connections)
  if (metrics !== undefined) exposeSamples(metrics.registry, memoryMetrics(commands.memory), logger)
  const checks = redisDependencies(commands, config.waitReplicas, logger)
  const { waitsForReplicas } = redis
  return {
    baskets: redisBasketRepository(
      { ...commands, waitsForReplicas },
      ttlSeconds,
      keyPrefix,
      systemClock,
      metrics,
    ),
    statistics: redisBasketStatistics(commands),
    dependencies: checks.dependencies,
    shareUsage: redis.shareUsage,
    [Symbol.asyncDispose]: async () => {
      checks[Symbol.dispose]()
      await redis[Symbol.asyncDispose]()
      tracing?.[Symbol.dispose]()
    },
  }
}

const adapt = <Adapter extends AsyncFunctions>(adapter: Adapter): Adapter =>
  mapSqliteErrors(waitForLock(adapter), sqliteMessages)

const openSqliteStorage = (file: string, ttlSeconds: number, logger: Logger): Storage => {
  logger.warn({ file }, 'using embedded storage, which is for development only')
  const { sqlite, baskets } = openStorage(file, () => {
    const opened = openSqlite(file)
    return { sqlite: opened, baskets: sqliteBasketRepository(opened, ttlSeconds) }
  })
  stopWaiting(sqlite)
  const checks = sqliteDependencies(file, sqlite)
  const expiry = sqliteBasketExpiry(sqlite)
  return {
    baskets: adapt(baskets),
    statistics: adapt(sqliteBasketStatistics(sqlite, expiry.removed)),
    expiry: adapt({ removeExpired: expiry.removeExpired }),
    dependencies: checks.dependencies,
    [Symbol.asyncDispose]: async () => {
      checks[Symbol.dispose]()
      sqlite.close()
    },
  }
}

/** SQLite itself would let two instances share the file, and each would show the baskets of the other. */
export const lockData = ({ storage }: Pick<AdapterConfig, 'storage'>): Disposable | undefined =>
  storage.kind === 'embedded' ? lockFolder(storage.file) : undefined

/**
 * Opens the configured storage and the product catalog. Does not wait for their servers: until the required
 * ones are reachable, the service runs but is not ready.
 */
export const openAdapters = async (options: AdapterOptions<AdapterConfig>): Promise<Adapters<Ports>> => {
  const { storage: storageConfig, ttlSeconds, productService } = options.config
  const { catalog, jobs } = openProductService(productService, options)
  const storage =
    storageConfig.kind === 'redis'
      ? openRedisStorage(storageConfig.redis, ttlSeconds, options)
      : openSqliteStorage(storageConfig.file, ttlSeconds, options.logger)
  return {
    ports: {
      baskets: storage.baskets,
      statistics: storage.statistics,
      ...(storage.expiry && { expiry: storage.expiry }),
      catalog,
      events: eventHub(createFailureLog(options.logger, 'event subscriber failed').record),
      clock: systemClock,
      newId: randomUUID,
      newSecret: () => randomBytes(16).toString('base64url'),
    },
    dependencies: [
      ...storage.dependencies,
      { name: 'product-service', required: false, probe: catalog.probe },
    ],
    shareUsage: storage.shareUsage,
    jobs,
    [Symbol.asyncDispose]: async () => {
      catalog[Symbol.dispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}
