import { join } from 'node:path'
import type { Dependency } from '@shop/platform/health.ts'
import { instrumentStore } from '@shop/platform/instrument.ts'
import type { Logger } from '@shop/platform/logger.ts'
import type { Metrics } from '@shop/platform/metrics.ts'
import { openSqlite } from '@shop/platform/sqlite.ts'
import { isTracing } from '@shop/platform/tracing.ts'
import type { BasketConfig } from '../config.ts'
import type { BasketFiguresReader } from '../domain/basket-figures.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import type { ProductCatalog } from '../domain/product-catalog.ts'
import { readableBaskets } from './basket-record.ts'
import { grpcProductCatalog } from './grpc-product-catalog.ts'
import { type BasketRedis, openRedis } from './redis.ts'
import { redisBasketFigures } from './redis-basket-figures.ts'
import { redisBasketRepository } from './redis-basket-repository.ts'
import { traceCommands } from './redis-tracing.ts'
import { sqliteBasketFigures } from './sqlite-basket-figures.ts'
import { sqliteBasketRepository, sweepExpired } from './sqlite-basket-repository.ts'

type Ports = Readonly<{
  baskets: BasketRepository
  catalog: ProductCatalog
  figures: BasketFiguresReader
}>

export type Adapters = AsyncDisposable & Readonly<{ ports: Ports; dependencies: readonly Dependency[] }>

type Storage = AsyncDisposable &
  Readonly<{ baskets: BasketRepository; figures: BasketFiguresReader; dependencies: readonly Dependency[] }>

const sweepIntervalMs = 10_000

/** What Redis is asked, measured when there are metrics. */
const commandsOf = (redis: BasketRedis, metrics: Metrics | undefined) => {
  const { get, compareAndSet, survey, ping, pingReplicas } = redis
  const commands = { get, compareAndSet, survey, ping, pingReplicas }
  return metrics === undefined ? commands : instrumentStore('redis', commands, metrics)
}

const openServer = (config: BasketConfig, logger: Logger, metrics: Metrics | undefined): Storage => {
  const tracing = isTracing() ? traceCommands() : undefined
  const redis = openRedis(config, logger)
  const commands = commandsOf(redis, metrics)
  metrics?.watchPool('redis', () => ({ idle: 0, waiting: 0, ...redis.connections() }))
  // Soft: without them writes are refused, but reads are not.
  const replicas = { name: 'redis-replicas', hard: false, probe: commands.pingReplicas }
  return {
    baskets: redisBasketRepository(commands, config.BASKET_TTL_SECONDS),
    figures: redisBasketFigures(commands),
    dependencies: [
      { name: 'redis', hard: true, probe: commands.ping },
      ...(config.BASKET_WAIT_REPLICAS > 0 ? [replicas] : []),
    ],
    [Symbol.asyncDispose]: async () => {
      await redis[Symbol.asyncDispose]()
      tracing?.[Symbol.dispose]()
    },
  }
}

const openEmbedded = (config: BasketConfig, logger: Logger): Storage => {
  logger.warn({ data_dir: config.DATA_DIR }, 'embedded storage: for one developer on one machine')
  const sqlite = openSqlite(join(config.DATA_DIR, 'baskets.sqlite'))
  const baskets = sqliteBasketRepository(sqlite, config.BASKET_TTL_SECONDS)
  let expired = 0
  const sweep = () => {
    try {
      const removed = sweepExpired(sqlite)
      expired += removed.length
      for (const { id, lines } of readableBaskets(removed))
        logger.info({ event: 'basket_expired', basket_id: id, lines: lines.length }, 'basket expired')
    } catch (error) {
      logger.warn({ err: error }, 'expired baskets could not be removed; trying again')
    }
  }
  const sweeping = setInterval(sweep, sweepIntervalMs)
  return {
    baskets,
    figures: sqliteBasketFigures(sqlite, () => expired),
    dependencies: [{ name: 'sqlite', hard: true, probe: async () => sqlite.exec('select 1') }],
    [Symbol.asyncDispose]: async () => {
      clearInterval(sweeping)
      sqlite.close()
    },
  }
}

/**
 * Opens what the configuration names, measured when there are metrics. Servers may come later: until then the service
 * runs, and is not ready.
 */
export const openAdapters = async (
  config: BasketConfig,
  logger: Logger,
  metrics?: Metrics,
): Promise<Adapters> => {
  const storage =
    config.STORAGE === 'redis' ? openServer(config, logger, metrics) : openEmbedded(config, logger)
  const catalog = grpcProductCatalog(config.PRODUCT_SERVICE_URL, metrics)
  return {
    ports: { baskets: storage.baskets, figures: storage.figures, catalog },
    dependencies: [...storage.dependencies, { name: 'product-service', hard: false, probe: catalog.probe }],
    [Symbol.asyncDispose]: async () => {
      catalog[Symbol.dispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}
