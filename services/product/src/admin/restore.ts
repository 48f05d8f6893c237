import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { type Client, escapeIdentifier } from 'pg'
import { print } from './catalog.ts'
import { checksumOf } from './checksum.ts'
import { connect, databaseName, runTool, serverConfig } from './pg-tools.ts'

/** Returns the dump's path. Throws if the file is missing or does not match its `.sha256` file, if any. */
const requireIntact = async (file: string | undefined): Promise<string> => {
  if (file === undefined || file === '')
    throw new OperatorError('FILE is not set. Usage: make db-restore FILE=backups/….dump')
  if (!existsSync(file)) throw new OperatorError(`${file} does not exist.`)
  if (existsSync(`${file}.sha256`)) {
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

/**
 * Closes the connections to `current`, renames it to `kept` if it exists, and renames `restored` to
 * `current`, in one transaction.
 */
const swapNames = async (admin: Client, current: string, restored: string, kept: string): Promise<void> => {
  await admin.query('begin')
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [current])
  if ((await admin.query('select from pg_database where datname = $1', [current])).rowCount === 1)
    await admin.query(`alter database ${escapeIdentifier(current)} rename to ${escapeIdentifier(kept)}`)
  await admin.query(`alter database ${escapeIdentifier(restored)} rename to ${escapeIdentifier(current)}`)
  await admin.query('commit')
}

/** Tries up to ten times, because a service may reconnect before the database is renamed. */
const swapNamesWithRetry = async (...names: Parameters<typeof swapNames>): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await swapNames(...names)
    } catch (error) {
      await names[0].query('rollback')
      if (attempt === 10) throw error
    }
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
  const admin = await connect(config, 'postgres')
  try {
    await admin.query(`create database ${escapeIdentifier(restored)}`)
    try {
      const options = ['--exit-on-error', '--no-owner', '--no-privileges', '--single-transaction']
      await runTool(config, 'pg_restore', [...options, `--dbname=${restored}`, file])
      await swapNamesWithRetry(admin, name, restored, kept)
    } catch (error) {
      await admin.query(`drop database if exists ${escapeIdentifier(restored)} with (force)`)
      throw error
    }
  } finally {
    await admin.end()
  }
  print(
    `Restored ${file} as ${name}. The previous database, if there was one, is kept as ${kept}; drop it when you no longer need it.`,
  )
})
