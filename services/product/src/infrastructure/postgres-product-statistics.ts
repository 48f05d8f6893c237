import { centsFromText } from '@shop/kernel/money.ts'
import { runWithSignal } from '@shop/postgres/cancellation.ts'
import { sql } from 'kysely'
import { lowStockThreshold } from '../domain/product.ts'
import type { ProductStatisticsReader } from '../domain/product-statistics.ts'
import type { Database } from './products-table.ts'

/** Counts and sums, as texts. */
type Row = Readonly<Record<'category' | 'value' | 'total' | 'out' | 'low' | 'ok', string>>

/** The totals are those of all categories, for a window is filled before the limit. */
const statement = (categories: number) => sql<Row>`
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
  limit ${categories}
`

/** The server ends a pass after a minute; this is for a server that does not say so. */
const answerLimitMs = 65_000

/**
 * Statistics from one pass over all products: no write has to keep them. The pass takes one processor of the server, for a
 * minute at most, and is given up when `stopped` aborts.
 */
export const postgresProductStatistics = (
  database: Database,
  stopped?: AbortSignal,
): ProductStatisticsReader => ({
  read: async (categories) => {
    const late = AbortSignal.timeout(answerLimitMs)
    const signal = stopped === undefined ? late : AbortSignal.any([stopped, late])
    const pass = () =>
      database.transaction().execute(async (transaction) => {
        await sql`set local statement_timeout = '60s'`.execute(transaction)
        await sql`set local max_parallel_workers_per_gather = 0`.execute(transaction)
        return (await statement(categories).execute(transaction)).rows
      })
    const rows = await runWithSignal(signal, 'statistics', pass)
    // Without any product there is no row, and nothing to sum.
    const [{ out, low, ok, total } = { out: '0', low: '0', ok: '0', total: '0.00' }] = rows
    return {
      products: { out: Number(out), low: Number(low), ok: Number(ok) },
      largest: rows.map(({ category, value }) => ({ category, value: centsFromText(value) })),
      inventoryValue: centsFromText(total),
    }
  },
})
