import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { type Kysely, sql } from 'kysely'

/** The oldest major version with which the tests run. */
const oldestVersion = 15

/**
 * Throws an `OperatorError` unless the server is recent enough and the database stores every Unicode
 * character, counted as a character. In LATIN1 most characters cannot be stored; SQL_ASCII counts bytes.
 */
export const requireSuitableServer = async <Tables>(database: Kysely<Tables>): Promise<void> => {
  const { rows } = await sql<{ encoding: string; version: string }>`
    select current_setting('server_encoding') as encoding, current_setting('server_version_num') as version
  `.execute(database)
  const [{ encoding, version } = { encoding: '', version: '' }] = rows
  const majorVersion = Math.floor(Number(version) / 10_000)
  if (majorVersion < oldestVersion)
    throw new OperatorError(
      `PostgreSQL ${majorVersion} is not supported: upgrade the server to PostgreSQL ${oldestVersion} or later`,
    )
  if (encoding !== 'UTF8')
    throw new OperatorError(
      `the encoding of the database is ${encoding}, but must be UTF8: create the database with "template template0 encoding 'UTF8'"`,
    )
}
