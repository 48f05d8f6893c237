import { CompiledQuery } from 'kysely'
import type { Product, ProductFields } from '../../domain/product.ts'
import { assignedId } from '../postgres-product-ids.ts'
import { type Database, writtenColumns } from '../products-table.ts'

/*
 * The texts of the statements that write products. They are constants, because building one takes longer than sending it.
 * Metrics and traces name a statement by its first word, also in a comment.
 *
 * What a write returns are integers: reading anything else could fail after the commit. A time that is not finite fails
 * on the server, which then stores nothing.
 */

const names = writtenColumns.map(({ column }) => column).join(', ')

const placeholders = (first: number, suffix: (type: string) => string = () => ''): string =>
  writtenColumns.map(({ type }, index) => `$${first + index}${suffix(type)}`).join(', ')

const arrays = (first: number): string => placeholders(first, (type) => `::${type}[]`)

const milliseconds = (column: string, name: string): string =>
  `floor(extract(epoch from ${column}) * 1000)::bigint as "${name}"`

const times = `${milliseconds('created_at', 'createdAt')}, ${milliseconds('updated_at', 'updatedAt')}`
const updated = `products.id, ${milliseconds('products.updated_at', 'writtenAt')}`
const deleted = `products.id, ${milliseconds('clock_timestamp()', 'writtenAt')}`

const insertOne = `
insert into "products" (${names}) values (${placeholders(1)})
returning ${assignedId} as id, version, ${times}`

/**
 * The ids come first, because the order of what an insert returns is not defined. A row that violates a unique key, or that a
 * trigger drops, is missing in the result. An id that a trigger has changed fails the statement.
 */
const insertMany = `/* insert products */
with new as materialized (
  select nextval($1::regclass) as id, * from unnest(${arrays(2)}) with ordinality as fields (${names}, position)
), inserted as (
  insert into "products" (id, ${names}) select id, ${names} from new on conflict do nothing
  returning id, version, ${times}
)
select
  ${assignedId} as id, version, "createdAt", "updatedAt",
  case when position is null then ('a trigger has changed the id: ' || id)::integer else position end as position
from inserted left join new using (id)`

/** Products with another version, and those that another transaction has locked, are missing in the result. */
const updateMany = `/* update products */
with new as materialized (
  select new.* from "products"
  join unnest($1::integer[], $2::integer[], $3::integer[], ${arrays(4)}) as new (id, expected, next, ${names})
    on products.id = new.id and products.version = new.expected
  order by products.id for update of products skip locked
)
update "products" set ${writtenColumns.map(({ column }) => `${column} = new.${column}`).join(', ')},
  version = new.next, updated_at = clock_timestamp()
from new where products.id = new.id
returning ${updated}`

const updateOne = `
update "products" set ${writtenColumns.map(({ column }, index) => `${column} = $${4 + index}`).join(', ')},
  version = $3, updated_at = clock_timestamp()
where id = $1 and version = $2
returning ${updated}`

/** The same as for updates. */
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

const run = async <Row>(database: Database, text: string, values: readonly unknown[]): Promise<Row[]> =>
  (await database.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows

const valuesOf = (fields: ProductFields): unknown[] => writtenColumns.map(({ valueOf }) => valueOf(fields))

/** One array for each column. */
const columnsOf = (products: readonly ProductFields[]): unknown[][] =>
  writtenColumns.map(({ valueOf }) => products.map(valueOf))

type InsertedRow = Readonly<Record<'id' | 'version' | 'createdAt' | 'updatedAt', number>>

const insertedProduct = (
  fields: ProductFields,
  { id, version, createdAt, updatedAt }: InsertedRow,
): Product => ({
  ...fields,
  id,
  version,
  createdAt: new Date(createdAt),
  updatedAt: new Date(updatedAt),
})

/** Resolves with undefined if a trigger or a rule has ignored the product. */
export const insertProduct = async (
  database: Database,
  fields: ProductFields,
): Promise<Product | undefined> => {
  const [row] = await run<InsertedRow>(database, insertOne, valuesOf(fields))
  return row && insertedProduct(fields, row)
}

/** Resolves with each product, or undefined if it was not stored: its insert alone tells why. */
export const insertProducts = async (
  database: Database,
  sequence: string,
  products: readonly ProductFields[],
): Promise<(Product | undefined)[]> => {
  const values = [sequence, ...columnsOf(products)]
  const rows = await run<InsertedRow & { position: number }>(database, insertMany, values)
  const byPosition = new Map(rows.map((row) => [row.position, row]))
  return products.map((fields, index) => {
    const row = byPosition.get(index + 1)
    return row && insertedProduct(fields, row)
  })
}

/** A product as it is expected to be stored, and what is to be stored instead. */
export type Update = Readonly<{ before: Product; after: Product }>
/** A product as it is expected to be stored. */
export type Removal = Readonly<{ before: Product; after: undefined }>

type State = Readonly<{ before: Product | undefined; after: Product | undefined }>

export const isUpdate = <Product extends State>(product: Product): product is Product & Update =>
  product.before !== undefined && product.after !== undefined && product.after !== product.before
export const isRemoval = <Product extends State>(product: Product): product is Product & Removal =>
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
  const values = [idsOf(updates), versionsOf(updates), next.map(({ version }) => version), ...columnsOf(next)]
  return timesOf(await run<WrittenRow>(database, updateMany, values), updates)
}

/** Resolves with the time of each deletion, or undefined if it did not take effect. */
export const deleteProducts = async (database: Database, removals: readonly Removal[]) =>
  timesOf(await run<WrittenRow>(database, deleteMany, [idsOf(removals), versionsOf(removals)]), removals)

/** Updates or deletes one product, but waits for its lock. Resolves with the time, or undefined without an effect. */
export const writeProduct = async (
  database: Database,
  { before: { id, version }, after }: Update | Removal,
): Promise<Date | undefined> => {
  const rows =
    after === undefined
      ? await run<WrittenRow>(database, deleteOne, [id, version])
      : await run<WrittenRow>(database, updateOne, [id, version, after.version, ...valuesOf(after)])
  return rows[0] && new Date(rows[0].writtenAt)
}
