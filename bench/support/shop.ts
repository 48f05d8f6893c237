import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openForMigration } from '@shop/postgres/database.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { ownDatabase, postgresConfig } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys } from '@shop/testing/stores/redis.ts'
import { sql } from 'kysely'
import { seedGenerated } from '../../services/product/src/infrastructure/generated-products.ts'
import { migrations } from '../../services/product/src/infrastructure/migrations.ts'
import type { Tables } from '../../services/product/src/infrastructure/products-table.ts'
import { throwIfInterrupted } from './interrupt.ts'
import { startServer } from './process.ts'

const plentifulProducts = 20
const userCount = 2_000

export const post = async (url: string, body: unknown): Promise<{ id: number }> => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url} responded with ${response.status}`)
  return (await response.json()) as { id: number }
}

/** Creates a database with `count` generated products, migrated and analyzed. Disposal drops it. */
export const openCatalog = async (count: number) => {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await ownDatabase())
  {
    await using connection = openForMigration<Tables>(postgresConfig(database.url), silentLogger)
    await migrations.apply(connection)
    await seedGenerated(connection, { count, seed: 1, onProgress: () => {} })
    await sql`vacuum analyze products`.execute(connection)
  }
  const owned = stack.move()
  return { url: database.url, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Settings with which a service logs as in production: every request, to rolling files. */
export const productionSettings = (folder: string) => ({
  ENVIRONMENT: 'staging',
  SHUTDOWN_DELAY_SECONDS: '0',
  LOG_LEVEL: 'info',
  LOG_FORMAT: 'json',
  LOG_OUTPUT: 'file',
  LOG_DIR: folder,
  ...(process.env['WORKERS'] !== undefined && { WORKERS: process.env['WORKERS'] }),
})

/**
 * Starts our services, the obvious implementations and the minimal servers, on a new database and with Redis
 * keys of their own.
 */
export const openShop = async (products: number) => {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const { url: DATABASE_URL } = stack.use(await openCatalog(products))
  const start = async (script: string, readyPath: string, environment: Readonly<Record<string, string>>) =>
    stack.use(await startServer(script, await freePort(), readyPath, environment))

  const [ourGrpc, obviousGrpc, emptyGrpc] = [
    String(await freePort()),
    String(await freePort()),
    String(await freePort()),
  ]
  const store = { DATABASE_URL, REDIS_URL: redisUrl }
  const product = await start('services/product/src/main.ts', '/health/ready', {
    ...productionSettings(folder),
    DATABASE_URL,
    GRPC_PORT: ourGrpc,
  })
  const obviousProduct = await start('bench/baselines/obvious-products.ts', '/products/1', {
    ...store,
    GRPC_PORT: obviousGrpc,
  })
  const plentiful: number[] = []
  for (let created = 0; created < plentifulProducts; created++) {
    const fields = { name: 'Pin', price: 0.1, stock: 2_147_483_647, category: 'Home' }
    plentiful.push((await post(`${product.url}/products`, fields)).id)
  }
  const prefix = ownPrefix()
  const removeBaskets = async () => {
    for (const key of ['basket', 'obvious']) await removeKeys(`${key}:${prefix}`)
  }
  stack.defer(removeBaskets)
  const basket = await start('services/basket/src/main.ts', '/health/ready', {
    ...productionSettings(folder),
    REDIS_URL: redisUrl,
    PRODUCT_SERVICE_URL: `127.0.0.1:${ourGrpc}`,
  })
  const obviousBasket = await start('bench/baselines/obvious-baskets.ts', '/health', {
    ...store,
    PRODUCT_SERVICE_URL: `127.0.0.1:${obviousGrpc}`,
  })
  const constant = await start('bench/baselines/constant.ts', '/', {})
  const empty = await start('bench/baselines/empty-grpc.ts', '/health/live', { GRPC_PORT: emptyGrpc })

  const users = Array.from({ length: userCount }, (_, index) => `${prefix}${index}`)
  const fillBaskets = async () => {
    for (const { url } of [basket, obviousBasket])
      for (const user of users)
        for (const product_id of plentiful.slice(0, 3)) {
          throwIfInterrupted()
          await post(`${url}/baskets/${user}/items`, { product_id, quantity: 1 })
        }
  }
  await fillBaskets()
  const owned = stack.move()
  return {
    servers: { product, obviousProduct, basket, obviousBasket, constant, empty },
    grpc: {
      ours: `127.0.0.1:${ourGrpc}`,
      obvious: `127.0.0.1:${obviousGrpc}`,
      empty: `127.0.0.1:${emptyGrpc}`,
    },
    stock: { products, plentiful, users },
    databaseUrl: DATABASE_URL,
    fillBaskets,
    removeBaskets,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export type Shop = Awaited<ReturnType<typeof openShop>>
