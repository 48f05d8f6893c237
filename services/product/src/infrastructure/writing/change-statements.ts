import { runText } from '@shop/postgres/statements/text.ts'
import type { Product } from '../../domain/product.ts'
import type { Database } from '../products-table.ts'
import {
  arrayParameters,
  arraysOf,
  columnNames,
  columnNamesOf,
  milliseconds,
  parameters,
  valuesOf,
} from './columns.ts'

const updated = `products.id, ${milliseconds('products.updated_at')} as "writtenAt"`
const deleted = `products.id, ${milliseconds('clock_timestamp()')} as "writtenAt"`

/**
 * Products with another version, and those that another transaction has locked, are missing in the result. The lock is the one
 * that an update takes: it does not wait for a transaction that has inserted a reference to the product, such as an order.
 */
const updateMany = `/* update products */
with new as materialized (
  select new.* from "products"
  join unnest($1::integer[], $2::integer[], $3::integer[], ${arrayParameters(4)}) as new (id, expected, next, ${columnNames})
    on products.id = new.id and products.version = new.expected
  order by products.id for no key update of products skip locked
)
update "products" set (${columnNames}) = row(${columnNamesOf('new')}),
  version = new.next, updated_at = clock_timestamp()
from new where products.id = new.id
returning ${updated}`

const updateOne = `
update "products" set (${columnNames}) = row(${parameters(4)}),
  version = $3, updated_at = clock_timestamp()
where id = $1 and version = $2
returning ${updated}`

/** The same, but with the lock of a deletion, which waits for references. */
const deleteMany = `/* delete products */
with old as materialized (
  select products.id from "products"
  join unnest($1::integer[], $2::integer[]) as old (id, version) using (id, version)
  order by products.id for update of products skip locked
)
delete from "products" using old where products.id = old.id
returning ${deleted}`

const deleteOne = `
delete from "products" where id = $1 and version = $2
returning ${deleted}`

/** A product as it is expected to be stored, and what is to be stored instead. */
export type Update = Readonly<{ before: Product; after: Product }>
/** A product as it is expected to be stored. */
export type Removal = Readonly<{ before: Product; after: undefined }>

type State = Readonly<{ before: Product | undefined; after: Product | undefined }>

export const isUpdate = <Value extends State>(product: Value): product is Value & Update =>
  product.before !== undefined && product.after !== undefined && product.after !== product.before
export const isRemoval = <Value extends State>(product: Value): product is Value & Removal =>
  product.before !== undefined && product.after === undefined

type WrittenRow = Readonly<Record<'id' | 'writtenAt', number>>

/** The time of the write of each product, or undefined if it did not take effect. */
const timesOf = (rows: readonly WrittenRow[], products: readonly (Update | Removal)[]) => {
  const times = new Map(rows.map(({ id, writtenAt }) => [id, new Date(writtenAt)]))
  return products.map(({ before }) => times.get(before.id))
}

const idsOf = (products: readonly (Update | Removal)[]) => products.map(({ before }) => before.id)
const versionsOf = (products: readonly (Update | Removal)[]) => products.map(({ before }) => before.version)

/** Resolves with the time of each update, or undefined if it did not take effect. */
export const updateProducts = async (database: Database, updates: readonly Update[]) => {
  const next = updates.map(({ after }) => after)
  const values = [idsOf(updates), versionsOf(updates), next.map(({ version }) => version), ...arraysOf(next)]
  return timesOf(await runText<WrittenRow>(database, updateMany, values), updates)
}

/** Resolves with the time of each deletion, or undefined if it did not take effect. */
export const deleteProducts = async (database: Database, removals: readonly Removal[]) =>
  timesOf(await runText<WrittenRow>(database, deleteMany, [idsOf(removals), versionsOf(removals)]), removals)

/** Updates or deletes one product, but waits for its lock. Resolves with the time, or undefined without an effect. */
export const writeProduct = async (
  database: Database,
  { before: { id, version }, after }: Update | Removal,
): Promise<Date | undefined> => {
  const rows =
    after === undefined
      ? await runText<WrittenRow>(database, deleteOne, [id, version])
      : await runText<WrittenRow>(database, updateOne, [id, version, after.version, ...valuesOf(after)])
  return rows[0] && new Date(rows[0].writtenAt)
}
