import { centsFromText } from '@shop/kernel/money.ts'
import { runWithSignal } from '@shop/postgres/cancellation.ts'
import { sql } from 'kysely'
import { limits, lowStockThreshold } from '../domain/product.ts'
import type { ProductStatisticsReader } from '../domain/product-statistics.ts'
import { readProductIds } from './postgres-product-ids.ts'
import type { Database } from './products-table.ts'

/** PostgreSQL returns counts and sums as strings. */
type Row = Readonly<Record<'category' | 'value' | 'total' | 'out' | 'low' | 'ok', string>>

/** The totals cover all categories, because window functions are evaluated before the limit. */
const statement = (maxCategories: number) => sql<Row>`
  select category, value::text,
    sum(value) over ()::text as total,
    sum(out) over ()::text as out, sum(low) over ()::text as low, sum(ok) over ()::text as ok
  from (
    select category, sum(price * stock) as value,
      count(*) filter (where stock = 0) as out,
      count(*) filter (where stock between 1 and ${lowStockThreshold}) as low,
      count(*) filter (where stock > ${lowStockThreshold}) as ok
    from products group by category
  ) as by_category
  order by by_category.value desc, category
  limit ${maxCategories}
`

/** The server cancels the scan after 60 s. This limit is for a server that does not respond. */
const responseLimitMs = 65_000

/**
 * Reads statistics in one scan of all products, so writes do not have to maintain them. The scan uses one
 * processor of the server, for at most a minute, and is cancelled when `stopSignal` aborts.
 */
export const postgresProductStatistics = (
  database: Database,
  stopSignal?: AbortSignal,
): ProductStatisticsReader => ({
  read: async (maxCategories) => {
    const timeout = AbortSignal.timeout(responseLimitMs)
    const signal = stopSignal === undefined ? timeout : AbortSignal.any([stopSignal, timeout])
    const scan = () =>
      database.transaction().execute(async (transaction) => {
        await sql`set local statement_timeout = '60s'`.execute(transaction)
        await sql`set local max_parallel_workers_per_gather = 0`.execute(transaction)
        const ids = await readProductIds(transaction)
        return { ids, rows: (await statement(maxCategories).execute(transaction)).rows }
      })
    const { ids, rows } = await runWithSignal(signal, 'statistics', scan)
    // Without products the query returns no row.
    const [{ out, low, ok, total } = { out: '0', low: '0', ok: '0', total: '0.00' }] = rows
    return {
      products: { out: Number(out), low: Number(low), ok: Number(ok) },
      topCategories: rows.map(({ category, value }) => ({ category, value: centsFromText(value) })),
      inventoryValue: centsFromText(total),
      usedIdsRatio: Math.max(ids.highest, ids.lastAssigned) / limits.integer,
    }
  },
})
