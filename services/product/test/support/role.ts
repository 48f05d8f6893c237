import { ownSchema, query } from '@shop/testing/stores/postgres.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { openServerDatabase } from './store.ts'

/** Creates a schema and a role that may use it. `migrate` applies the migrations as the owner. */
export const ownRole = async () => {
  const schema = await ownSchema()
  const name = new URL(schema.url).searchParams.get('options')?.split('=')[1] ?? ''
  const role = `${name}_role`
  await query(`create role ${role} login`)
  await query(`grant usage on schema ${name} to ${role}`)
  const url = Object.assign(new URL(schema.url), { username: role, password: '' }).href
  return {
    role,
    url,
    ownerUrl: schema.url,
    /** Runs the statement as the owner of the schema. */
    query: (statement: string) => query(statement, schema.url),
    migrate: async () => {
      await using owner = openServerDatabase(schema.url)
      await migrations.apply(owner.database)
    },
    [Symbol.asyncDispose]: async () => {
      await query(`drop owned by ${role}`)
      await query(`drop role ${role}`)
      await schema[Symbol.asyncDispose]()
    },
  }
}

/** The rights in docs/operations.md, apart from those that only an import requires. */
export const grantAll = (role: string) =>
  `grant select on kysely_migration to ${role}; grant select, insert, update, delete on products, idempotency_keys to ${role}`
