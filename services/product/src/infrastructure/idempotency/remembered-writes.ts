import { hasSqlState, missingTable } from '@shop/postgres/errors.ts'
import { runText } from '@shop/postgres/statements/text.ts'
import type { RememberedWrites } from '../../domain/remembered-writes.ts'
import type { Database } from '../products-table.ts'

const batchSize = 1_000

/**
 * Rows that another process removes are left to it. They are found by their place: a join by their keys would read the whole
 * table as long as it is small enough.
 */
const deleteOld = `/* delete idempotency keys */
with removed as (
  delete from "idempotency_keys" where ctid = any(array(
    select ctid from "idempotency_keys" where written_at < now() - interval '24 hours'
    order by written_at limit ${batchSize} for update skip locked
  ))
  returning 1
)
select count(*)::integer as count from removed`

type Removed = Readonly<{ count: number }>

/** The writes that are remembered in the table `idempotency_keys`. There are none before its migration. */
export const postgresRememberedWrites = (database: Database): RememberedWrites => ({
  forgetOld: async () => {
    try {
      const [removed] = await runText<Removed>(database, deleteOld, [])
      return removed?.count === batchSize
    } catch (error) {
      if (hasSqlState(error, missingTable)) return false
      throw error
    }
  },
})
