import { openForMigration } from '@shop/postgres/database.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase, postgresConfig, query } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { seedGenerated } from '../../services/product/src/infrastructure/generated-products.ts'
import { migrations } from '../../services/product/src/infrastructure/migrations.ts'
import type { Tables } from '../../services/product/src/infrastructure/products-table.ts'

const plentifulProducts = 20

/**
 * Creates a database with `count` generated products and a few that never run out of stock, migrated and
 * analyzed. Disposal drops it.
 */
export const openCatalog = async (count: number) => {
  await using stack = new AsyncDisposableStack()
  const { url } = stack.use(await ownDatabase())
  {
    await using connection = openForMigration<Tables>(postgresConfig(url), silentLogger)
    await migrations.apply(connection)
    await seedGenerated(connection, { count, seed: 1, onProgress: () => {} })
    await sql`vacuum analyze products`.execute(connection)
  }
  const rows = await query<{ id: number }>(
    `insert into products (name, price, stock, category)
     select 'Pin', 0.1, 2147483647, 'Home' from generate_series(1, ${plentifulProducts}) returning id`,
    url,
  )
  const owned = stack.move()
  return { url, plentiful: rows.map(({ id }) => id), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
