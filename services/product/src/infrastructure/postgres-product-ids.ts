import { hasSqlState } from '@shop/postgres/errors.ts'
import { sql } from 'kysely'
import { limits } from '../domain/product.ts'
import type { Database } from './products-table.ts'

/**
 * The sequence of the ids, as `regclass`: the one that the column's default uses, even if the column does not own
 * it, or that of an identity column. Null if there is none.
 */
export const idSequence = sql<string | null>`(
  select coalesce(
    (
      select refobjid::regclass from pg_depend join pg_class on pg_class.oid = refobjid and relkind = 'S'
      where pg_depend.classid = 'pg_attrdef'::regclass and objid = pg_attrdef.oid and refclassid = 'pg_class'::regclass
      limit 1
    ),
    pg_get_serial_sequence('products', 'id')::regclass
  )
  from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
  where attrelid = 'products'::regclass and attname = 'id'
)`

/** The highest id in the table, and the last id that its sequence has assigned; 0 if there is none. */
type ProductIds = Readonly<{ highest: number; lastAssigned: number }>

/** `lastAssigned` is also 0 if the role has no right on the sequence. */
export const readProductIds = async (database: Database): Promise<ProductIds> => {
  const { rows } = await sql<{ highest: number | null; lastAssigned: number | null }>`
    select
      (select max(id)::double precision from products) as highest,
      (
        select last_value::double precision from pg_sequences
        where to_regclass(format('%I.%I', schemaname, sequencename)) = ${idSequence}
      ) as "lastAssigned"
  `.execute(database)
  const [row] = rows
  return { highest: row?.highest ?? 0, lastAssigned: row?.lastAssigned ?? 0 }
}

/**
 * Sets the sequence of the ids to the highest id in the table, if it is behind: an import that sets ids does
 * not advance it. The lock makes concurrent calls wait, because the second could set the sequence back.
 */
export const advanceProductIds = (database: Database): Promise<void> =>
  database.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(hashtext('products.id'))`.execute(transaction)
    await sql`
      with ids as (
        select sequence, nextval(sequence) as next, (select max(id) from products) as highest
        from (select ${idSequence} as sequence) as used
      )
      select setval(sequence, highest) from ids where highest > next
    `.execute(transaction)
  })

/** Makes `last` the last id that the sequence has assigned. Resolves with false if the column has no sequence. */
export const reserveProductIds = async (database: Database, last: number): Promise<boolean> => {
  const { rows } = await sql<{ value: unknown }>`
    select setval(${idSequence}, ${last}::bigint) as value
  `.execute(database)
  return (rows[0]?.value ?? null) !== null
}

/** The detail of a violated unique key, in every language, begins with its columns: `Key (id)=(7) already exists.` */
const keyOfId = /^[^(]*\(id\)=/

/**
 * Whether an insert failed because the id that the sequence assigned is in the table already. The primary key may
 * have any name: a table that was copied or partitioned has another one.
 */
export const isTakenId = (error: unknown): boolean =>
  hasSqlState(error, '23505') && keyOfId.test(String((error as { detail?: unknown }).detail))

const outOfRange = 'the id is out of range'

/**
 * SQL for the id of a stored product. Out of range, which a column of type bigint or a descending sequence allows, it fails
 * the statement (22P02), which then stores nothing: the contract has no such id, so it could never be read.
 */
export const assignedId = `case when id between 1 and ${limits.integer} then id
  else ('${outOfRange}: ' || id)::integer end`

/**
 * Whether an insert failed because the sequence of the ids has reached its end (2200H), or the end of the range. The
 * error of a sequence that a trigger uses has a context, `where`.
 */
export const isNoIdLeft = (error: unknown): boolean =>
  (hasSqlState(error, '2200H') && (error as { where?: unknown }).where === undefined) ||
  (hasSqlState(error, '22P02') && (error as Error).message.includes(outOfRange))

/** Runs the insert. If an assigned id is taken, nothing was stored: advances the sequence and runs it again. */
export const withFreeIds = async <Result>(
  database: Database,
  insert: () => Promise<Result>,
): Promise<Result> => {
  try {
    return await insert()
  } catch (error) {
    if (!isTakenId(error)) throw error
    await advanceProductIds(database)
    return await insert()
  }
}
