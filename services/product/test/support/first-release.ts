import { cp, mkdtempDisposable, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openForMigration } from '@shop/postgres/database.ts'
import { migrationsIn } from '@shop/postgres/migrations.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import type { Database, Tables } from '../../src/infrastructure/products-table.ts'
import { postgresConfigOf } from './config.ts'

const allMigrations = join(import.meta.dirname, '../../migrations')

/** Applies the migrations up to this one. */
export const migrateTo = async (database: Database, last: string): Promise<void> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'migrations-'))
  for (const name of await readdir(allMigrations))
    if (name <= `${last}.sql`) await cp(join(allMigrations, name), join(folder.path, name))
  await migrationsIn(folder.path).apply(database)
}

/** Applies the migrations of the first release. */
export const migrateToFirst = (database: Database): Promise<void> => migrateTo(database, '0001_products')

/** Opens a database as a migration does. */
export const openForTest = (url: string): Database =>
  openForMigration<Tables>(postgresConfigOf({ DATABASE_URL: url }), silentLogger)

/** Opens a new database of the first release, with one product. It is a database, because building an index waits for the transactions of all schemas. */
export const openFirst = async () => {
  const own = await ownDatabase()
  const database = openForTest(own.url)
  await migrateToFirst(database)
  await sql`insert into products (name, price, category) values ('old', 1, 'Home')`.execute(database)
  return {
    url: own.url,
    database,
    [Symbol.asyncDispose]: async () => {
      await database.destroy()
      await own[Symbol.asyncDispose]()
    },
  }
}
