import { Kysely, PostgresDialect } from 'kysely'
import type { Client } from 'pg'
import { limits } from '../domain/product.ts'
import { readProductIds, reserveProductIds } from '../infrastructure/postgres-product-ids.ts'
import type { Database, Tables } from '../infrastructure/products-table.ts'

/** The catalog on a single connection, which the caller closes. */
const catalogOn = (client: Client): Database => {
  const connect = async () => Object.assign(client, { release: () => {} })
  const pool = { connect, end: async () => {}, options: {} }
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
}

export const mayRepeatIds = (reason: unknown): string =>
  `Product ids that were assigned after the dump may be assigned again: ${String(reason)}`

/**
 * Makes the restored catalog skip the ids that the replaced one has assigned since the dump: a basket may contain them,
 * and a client may have their ETags. Returns a message if that changes something or if the ids cannot be read.
 */
export const keepAssignedIds = async (replaced: Client, restored: Client): Promise<string | undefined> => {
  const read = async (client: Client) => await readProductIds(catalogOn(client))
  let used: number
  let last: number
  try {
    const { highest, lastAssigned } = await read(replaced)
    used = Math.min(Math.max(highest, lastAssigned), limits.integer)
    last = (await read(restored)).lastAssigned
  } catch (error) {
    return mayRepeatIds(error)
  }
  if (used <= last) return undefined
  if (!(await reserveProductIds(catalogOn(restored), used)))
    return mayRepeatIds('the column id of the restored table owns no sequence')
  return `The sequence of the product ids is advanced from ${last} to ${used}, so that ids that were assigned after the dump are not assigned again.`
}
