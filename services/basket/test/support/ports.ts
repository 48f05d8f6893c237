import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type Clock, systemClock } from '@shop/kernel/clock.ts'
import { codeOf } from '@shop/kernel/errors.ts'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { eventHub } from '@shop/platform/event-hub.ts'
import type { BasketEvent } from '../../src/domain/basket-events.ts'
import type { Ports } from '../../src/domain/ports.ts'
import type { CatalogProduct, ProductCatalog } from '../../src/domain/product-catalog.ts'
import { sqliteBasketExpiry } from '../../src/infrastructure/sqlite/sqlite-basket-expiry.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite/sqlite-basket-repository.ts'
import { sqliteBasketStatistics } from '../../src/infrastructure/sqlite/sqlite-basket-statistics.ts'
import { longTtl, ownFolder } from './baskets.ts'

/** A catalog that finds one product as the test says, and several in the same way. As the product service, it takes no empty list. */
export const catalogOf = (find: ProductCatalog['find']): ProductCatalog => {
  const findKnown = async (id: number): Promise<(readonly [number, CatalogProduct])[]> => {
    try {
      return [[id, await find(id)]]
    } catch (error) {
      if (codeOf(error) === 'product_not_found') return []
      throw error
    }
  }
  const findMany: ProductCatalog['findMany'] = async (ids) => {
    if (ids.length === 0) throw new Error('ids must not be empty')
    return new Map((await Promise.all(ids.map(findKnown))).flat())
  }
  return { find, findMany }
}

/**
 * Opens the ports on a new SQLite file, with the test's catalog. If an event subscriber throws, so does
 * `publish`.
 */
export const openPorts = async (find: ProductCatalog['find'], clock: Clock = systemClock) => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await ownFolder())
  const sqlite = stack.use(openSqlite(join(folder.path, 'baskets.sqlite')))
  const expiry = sqliteBasketExpiry(sqlite)
  const ports = {
    baskets: sqliteBasketRepository(sqlite, longTtl, clock),
    catalog: catalogOf(find),
    statistics: sqliteBasketStatistics(sqlite, expiry.removed),
    expiry,
    events: eventHub<BasketEvent>((error) => {
      throw error
    }),
    clock,
    newId: randomUUID,
    newSecret: () => randomBytes(16).toString('base64url'),
  } satisfies Ports
  return { ports, sqlite, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
