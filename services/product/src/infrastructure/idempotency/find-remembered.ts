import { runText } from '@shop/postgres/statements/text.ts'
import type { Product } from '../../domain/product.ts'
import type { Database } from '../products-table.ts'
import { milliseconds } from '../writing/columns.ts'
import { productWith } from './remembered-fields.ts'

/** A write that has taken effect. */
export type RememberedWrite = Readonly<{
  /** The hash of its request. */
  fingerprint: string
  /** The product after it; undefined if it was removed. */
  product: Product | undefined
}>

const findOne = `
select fingerprint, product_id as id, version, fields::text as fields,
  ${milliseconds('created_at')} as "createdAt", ${milliseconds('updated_at')} as "updatedAt"
from "idempotency_keys" where key = $1`

type Removal = Readonly<{ version: null; fields: null; createdAt: null; updatedAt: null }>
type Stored = Readonly<{ version: number; fields: string; createdAt: number; updatedAt: number }>
type Row = Readonly<{ fingerprint: string; id: number }> & (Removal | Stored)

const productIn = (row: Row): Product | undefined => {
  if (row.version === null) return undefined
  const { id, version, fields, createdAt, updatedAt } = row
  return productWith(fields, { id, version, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) })
}

/** Resolves with the write that is remembered by this key. */
export const findRemembered = async (
  database: Database,
  key: string,
): Promise<RememberedWrite | undefined> => {
  const [row] = await runText<Row>(database, findOne, [key])
  return row && { fingerprint: row.fingerprint, product: productIn(row) }
}
