import { runText } from '@shop/postgres/statements/text.ts'
import type { Creation, Product } from '../../domain/product.ts'
import { assignedId } from '../postgres-product-ids.ts'
import type { Database } from '../products-table.ts'
import type { Removal, Update } from '../writing/change-statements.ts'
import { columnNames, milliseconds, parameters, valuesOf } from '../writing/columns.ts'
import { type InsertedRow, insertedProduct } from '../writing/insert-statements.ts'
import { fieldsText } from './remembered-fields.ts'
import type { WriteKey } from './write-key.ts'

/** Remembers the product that the statement has written by the key $1, with the fingerprint $2 and the fields $3. */
const remembered = `remembered as (
  insert into "idempotency_keys" (key, fingerprint, product_id, version, fields, created_at, updated_at)
  select $1, $2, id, version, $3::jsonb, created_at, updated_at from written
)`

const insertOne = `/* insert and remember product */
with written as (
  insert into "products" (${columnNames}) values (${parameters(4)})
  returning ${assignedId} as id, version, created_at, updated_at
), ${remembered}
select id, version, ${milliseconds('created_at')} as "createdAt", ${milliseconds('updated_at')} as "updatedAt" from written`

const updateOne = `/* update and remember product */
with written as (
  update "products" set (${columnNames}) = row(${parameters(7)}), version = $6, updated_at = clock_timestamp()
  where id = $4 and version = $5
  returning id, version, created_at, updated_at
), ${remembered}
select ${milliseconds('updated_at')} as "writtenAt" from written`

const deleteOne = `/* delete and remember product */
with written as (
  delete from "products" where id = $3 and version = $4
  returning id
), remembered as (
  insert into "idempotency_keys" (key, fingerprint, product_id) select $1, $2, id from written
)
select ${milliseconds('clock_timestamp()')} as "writtenAt" from written`

/** Resolves with undefined if a trigger has ignored the product. */
export const insertRemembered = async (
  database: Database,
  creation: Creation,
  { key, fingerprint }: WriteKey,
): Promise<Product | undefined> => {
  const { fields } = creation
  const values = [key, fingerprint, fieldsText(fields), ...valuesOf(fields)]
  const [row] = await runText<InsertedRow>(database, insertOne, values)
  return row && insertedProduct(creation, row)
}

type WrittenRow = Readonly<{ writtenAt: number }>

/** Updates or deletes the product. Resolves with the time, or undefined without an effect. */
export const writeRemembered = async (
  database: Database,
  { before: { id, version }, after }: Update | Removal,
  { key, fingerprint }: WriteKey,
): Promise<Date | undefined> => {
  const [row] =
    after === undefined
      ? await runText<WrittenRow>(database, deleteOne, [key, fingerprint, id, version])
      : await runText<WrittenRow>(database, updateOne, [
          key,
          fingerprint,
          fieldsText(after),
          id,
          version,
          after.version,
          ...valuesOf(after),
        ])
  return row && new Date(row.writtenAt)
}

/** Whether the statement has failed because another write is remembered by its key. It has written nothing. */
export const isKeyTaken = (error: unknown): boolean => {
  const { code, table } = error as { code?: unknown; table?: unknown }
  return code === '23505' && table === 'idempotency_keys'
}
