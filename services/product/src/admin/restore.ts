import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { type Client, escapeIdentifier } from 'pg'
import { print } from './catalog.ts'
import { checksumOf } from './checksum.ts'
import { applyProperties, createDatabase, readProperties } from './database-properties.ts'
import { applyRights, type Rights, readRights } from './object-rights.ts'
import { explainOutages } from './outages.ts'
import { connect, databaseName, runTool, serverConfig } from './pg-tools.ts'
import { swapNames } from './swap-names.ts'

/** Returns the dump's path. Throws if the file is missing or does not match its `.sha256` file. */
const requireIntact = async (file: string | undefined): Promise<string> => {
  if (file === undefined || file === '')
    throw new OperatorError('FILE is not set. Usage: make db-restore FILE=backups/….dump')
  if (!existsSync(file)) throw new OperatorError(`${file} does not exist.`)
  if (!existsSync(`${file}.sha256`))
    print(`The dump is not checked for damage, because there is no ${file}.sha256.`)
  else {
    const [expected] = (await readFile(`${file}.sha256`, 'utf8')).split(' ')
    if (expected !== (await checksumOf(file)))
      throw new OperatorError(`${file} is damaged: its checksum does not match.`)
  }
  return file
}

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

/** Runs `use` on a connection to a database. */
const onDatabase = async <Result>(
  config: PostgresConfig,
  name: string,
  use: (client: Client) => Promise<Result>,
): Promise<Result> => {
  const client = await connect(config, name)
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** The rights in the replaced database. It may be too damaged to tell them; a restore must be possible nevertheless. */
const rightsIn = (config: PostgresConfig, name: string): Promise<Rights> =>
  onDatabase(config, name, readRights).catch((error: unknown) => {
    print(`The rights in ${name} cannot be read, so only those of the dump are restored: ${String(error)}`)
    return []
  })

/** Restores the file into the new database `restored`, with the properties and rights of `replaced`, if it exists. */
const restoreInto = async (
  admin: Client,
  config: PostgresConfig,
  { file, restored, replaced }: Readonly<{ file: string; restored: string; replaced: string }>,
): Promise<void> => {
  const properties = await readProperties(admin, replaced)
  const rights = properties === undefined ? [] : await rightsIn(config, replaced)
  await createDatabase(admin, restored, properties)
  await runTool(config, 'pg_restore', [
    '--exit-on-error',
    '--single-transaction',
    `--dbname=${restored}`,
    file,
  ])
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

await run(async () => {
  const config = serverConfig()
  const file = await requireIntact(process.env['FILE'])
  const name = databaseName(config)
  await requireConsent(name)

  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const restored = `${name}_restored_${stamp}`
  const kept = `${name}_before_${stamp}`
  await explainOutages(async () => {
    const admin = await connect(config, 'postgres')
    try {
      await restoreInto(admin, config, { file, restored, replaced: name })
      await swapNames(admin, name, restored, kept)
    } catch (error) {
      await dropUnfinished(admin, restored)
      throw error
    } finally {
      await admin.end()
    }
  })
  print(
    `Restored ${file} as ${name}. The previous database, if there was one, is kept as ${kept}; drop it when you no longer need it.`,
  )
})
