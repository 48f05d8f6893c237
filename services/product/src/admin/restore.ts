import { createInterface } from 'node:readline/promises'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { hasSqlState } from '@shop/postgres/errors.ts'
import { type Client, escapeIdentifier } from 'pg'
import { print } from './catalog.ts'
import { namesBeside } from './database-names.ts'
import {
  applyProperties,
  createDatabase,
  type DatabaseProperties,
  readProperties,
} from './database-properties.ts'
import { requireIntact } from './dump-file.ts'
import { applyRights, type Rights, readRights } from './object-rights.ts'
import { explainOutages } from './outages.ts'
import { databaseName, onDatabase, runTool, serverConfig } from './pg-tools.ts'
import { swapNames } from './swap-names.ts'

/** Throws unless the user types the name of the database or FORCE=1 is set. */
const requireConsent = async (name: string): Promise<void> => {
  if (process.env['FORCE'] === '1') return
  if (!process.stdin.isTTY)
    throw new OperatorError(`This replaces the database ${name}. Set FORCE=1 to do it without confirmation.`)
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`This replaces the database ${name}. Type its name to continue: `)
  terminal.close()
  if (answer !== name) throw new OperatorError('The name does not match. Nothing was changed.')
}

/** The rights in the replaced database. It may be too damaged to tell them; a restore must be possible nevertheless. */
const rightsIn = (config: PostgresConfig, name: string): Promise<Rights> =>
  onDatabase(config, name, readRights).catch((error: unknown) => {
    print(`The rights in ${name} cannot be read, so only those of the dump are restored: ${String(error)}`)
    return []
  })

/** The name as a connection string: PostgreSQL's programs take a name with `=` for one. */
const connectionStringOf = (name: string): string => `dbname='${name.replace(/[\\']/g, '\\$&')}'`

type Restore = Readonly<{ file: string; name: string; restored: string; kept: string }>

/** Fills the new database with the file, and with the properties and rights of the database that it will replace. */
const fill = async (
  admin: Client,
  config: PostgresConfig,
  { file, name, restored }: Restore,
  properties: DatabaseProperties | undefined,
): Promise<void> => {
  const rights = properties === undefined ? [] : await rightsIn(config, name)
  const options = ['--exit-on-error', '--single-transaction', `--dbname=${connectionStringOf(restored)}`]
  await runTool(config, 'pg_restore', [...options, '--', file], admin)
  await onDatabase(config, restored, (client) => applyRights(client, rights))
  if (properties !== undefined) await applyProperties(admin, restored, properties)
}

const dropUnfinished = async (admin: Client, name: string): Promise<void> => {
  try {
    await admin.query(`drop database if exists ${escapeIdentifier(name)} with (force)`)
  } catch {
    // Printed instead of thrown, because the error that stopped the restore matters more.
    print(`The unfinished database ${name} could not be dropped.`)
  }
}

/** Holds a lock until the session ends, because concurrent restores would replace each other's result. */
const requireSole = async (admin: Client, name: string): Promise<void> => {
  const { rows } = await admin.query('select pg_try_advisory_lock(hashtext($1)) as locked', [
    `restore ${name}`,
  ])
  if (rows[0]?.locked !== true) throw new OperatorError(`Another restore of ${name} is running.`)
}

const restore = async (admin: Client, config: PostgresConfig, names: Restore): Promise<void> => {
  const { file, name, restored, kept } = names
  await requireSole(admin, name)
  const properties = await readProperties(admin, name)
  await createDatabase(admin, restored, properties)
  try {
    await fill(admin, config, names, properties)
    const swapped = await swapNames(config, admin, { current: name, restored, kept })
    print(`Restored ${file} as ${name}.`)
    if (swapped.kept !== undefined)
      print(`The previous database is kept as ${swapped.kept}; drop it when you no longer need it.`)
    if (swapped.aboutIds !== undefined) print(swapped.aboutIds)
  } catch (error) {
    await dropUnfinished(admin, restored)
    throw error
  }
}

/** A name that another database has (42P04) becomes an error that is printed as one line. */
const explainCollision = (error: unknown): never => {
  if (!hasSqlState(error, '42P04')) throw error
  throw new OperatorError(`Nothing was changed, because a name is taken: ${String(error)}`, { cause: error })
}

await run(async () => {
  const config = serverConfig()
  const file = await requireIntact(process.env['FILE'])
  const name = databaseName(config)
  if (name === 'postgres')
    throw new OperatorError(
      'The database postgres cannot be replaced, because a restore is controlled from it.',
    )
  await requireConsent(name)
  const names = namesBeside(name, new Date())
  await explainOutages(() =>
    onDatabase(config, 'postgres', (admin) =>
      restore(admin, config, { file, name, ...names }).catch(explainCollision),
    ),
  )
})
