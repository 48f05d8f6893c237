import { join } from 'node:path'
import type { Dependency } from '@shop/platform/health.ts'
import type { Logger } from '@shop/platform/logger.ts'
import { openSqlite } from '@shop/platform/sqlite.ts'
import { isTracing } from '@shop/platform/tracing.ts'
import type { BasketConfig } from '../config.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import type { ProductCatalog } from '../domain/product-catalog.ts'
import { grpcProductCatalog } from './grpc-product-catalog.ts'
import { openRedis } from './redis.ts'
import { redisBasketRepository } from './redis-basket-repository.ts'
import { traceCommands } from './redis-tracing.ts'
import { sqliteBasketRepository, sweepExpired } from './sqlite-basket-repository.ts'

type Ports = Readonly<{ baskets: BasketRepository; catalog: ProductCatalog }>

export type Adapters = AsyncDisposable & Readonly<{ ports: Ports; dependencies: readonly Dependency[] }>

type Storage = AsyncDisposable & Readonly<{ baskets: BasketRepository; dependency: Dependency }>

const sweepIntervalMs = 10_000

const openServer = (config: BasketConfig, logger: Logger): Storage => {
  const tracing = isTracing() ? traceCommands() : undefined
  const redis = openRedis(config, logger)
  return {
    baskets: redisBasketRepository(redis, config.BASKET_TTL_SECONDS),
    dependency: { name: 'redis', hard: true, probe: redis.ping },
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
  const sweep = () => {
    try {
      sweepExpired(sqlite)
    } catch (error) {
      logger.warn({ err: error }, 'expired baskets could not be removed; trying again')
    }
  }
  const sweeping = setInterval(sweep, sweepIntervalMs)
  return {
    baskets,
    dependency: { name: 'sqlite', hard: true, probe: async () => sqlite.exec('select 1') },
    [Symbol.asyncDispose]: async () => {
      clearInterval(sweeping)
      sqlite.close()
    },
  }
}

/** Opens what the configuration names. Servers may come later: until then the service runs, and is not ready. */
export const openAdapters = async (config: BasketConfig, logger: Logger): Promise<Adapters> => {
  const storage = config.STORAGE === 'redis' ? openServer(config, logger) : openEmbedded(config, logger)
  const catalog = grpcProductCatalog(config.PRODUCT_SERVICE_URL)
  return {
    ports: { baskets: storage.baskets, catalog },
    dependencies: [storage.dependency, { name: 'product-service', hard: false, probe: catalog.probe }],
    [Symbol.asyncDispose]: async () => {
      catalog[Symbol.dispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}
