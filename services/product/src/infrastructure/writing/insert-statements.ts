import { runText } from '@shop/postgres/statements/text.ts'
import type { Creation, Product } from '../../domain/product.ts'
import { assignedId } from '../postgres-product-ids.ts'
import type { Database } from '../products-table.ts'
import { arrayParameters, arraysOf, columnNames, milliseconds, parameters, valuesOf } from './columns.ts'

const times = `${milliseconds('created_at')} as "createdAt", ${milliseconds('updated_at')} as "updatedAt"`

const insertOne = `
insert into "products" (${columnNames}) values (${parameters(1)})
returning ${assignedId} as id, version, ${times}`

/**
 * The ids come first, because the order of what an insert returns is not defined. A row that violates a unique key, or that a
 * trigger drops, is missing in the result. An id that a trigger has changed fails the statement. A column that is generated
 * always takes an id only if its system value is overridden.
 */
const insertMany = `/* insert products */
with new as materialized (
  select nextval($1::regclass) as id, * from unnest(${arrayParameters(2)}) with ordinality as fields (${columnNames}, position)
), inserted as (
  insert into "products" (id, ${columnNames}) overriding system value select id, ${columnNames} from new on conflict do nothing
  returning id, version, ${times}
)
select
  ${assignedId} as id, version, "createdAt", "updatedAt",
  case when position is null then ('a trigger has changed the id: ' || id)::integer else position end as position
from inserted left join new using (id)`

export type InsertedRow = Readonly<Record<'id' | 'version' | 'createdAt' | 'updatedAt', number>>

export const insertedProduct = (
  { fields }: Creation,
  { id, version, createdAt, updatedAt }: InsertedRow,
): Product => ({
  ...fields,
  id,
  version,
  createdAt: new Date(createdAt),
  updatedAt: new Date(updatedAt),
})

/** Resolves with undefined if a trigger or a rule has ignored the product. */
export const insertProduct = async (database: Database, creation: Creation): Promise<Product | undefined> => {
  const [row] = await runText<InsertedRow>(database, insertOne, valuesOf(creation.fields))
  return row && insertedProduct(creation, row)
}

/** Resolves with each product, or undefined if it was not stored: its insert alone tells why. */
export const insertProducts = async (
  database: Database,
  sequence: string,
  creations: readonly Creation[],
): Promise<(Product | undefined)[]> => {
  const values = [sequence, ...arraysOf(creations.map(({ fields }) => fields))]
  const rows = await runText<InsertedRow & { position: number }>(database, insertMany, values)
  const byPosition = new Map(rows.map((row) => [row.position, row]))
  return creations.map((creation, index) => {
    const row = byPosition.get(index + 1)
    return row && insertedProduct(creation, row)
  })
}
