import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { clientConfigOf } from '@shop/postgres/address.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { Client } from 'pg'
import { readConfig } from '../config.ts'

/** The server that the environment names. Throws for the embedded engine, which PostgreSQL's tools cannot reach. */
export const serverConfig = (): PostgresConfig => {
  const { storage } = readConfig(process.env)
  if (storage.kind === 'embedded')
    throw new OperatorError(
      `Name a server with DATABASE_URL or DB_HOST. The embedded database is the folder ${storage.folder}: stop the service and copy it.`,
    )
  return storage.postgres
}

const clientOf = ({ address, tls }: PostgresConfig): Client => new Client(clientConfigOf(address, tls))

/** A connection to a database of the server, by default to the one that is named. */
export const connect = async (config: PostgresConfig, otherDatabase?: string): Promise<Client> => {
  const { host, port, user, password, ssl, database } = clientOf(config)
  const address = { host, port, user, password, ssl, database: otherDatabase ?? database }
  const client = new Client({ ...address, connectionTimeoutMillis: 5_000 })
  await client.connect()
  return client
}

/** What the service does about TLS, for PostgreSQL's own programs: a URL may say it too. */
const tlsOf = ({ address, tls }: PostgresConfig): Record<string, string> => {
  const url = 'url' in address ? new URL(address.url).searchParams : undefined
  const rootCertificate = url?.get('sslrootcert') ?? tls.rootCertificate
  return {
    PGSSLMODE: url?.get('sslmode') ?? tls.mode,
    ...(rootCertificate !== undefined && { PGSSLROOTCERT: rootCertificate }),
  }
}

/** Runs one of PostgreSQL's programs on the server; credentials go by its environment, where no process list shows them. */
export const runTool = async (
  config: PostgresConfig,
  tool: string,
  args: readonly string[],
): Promise<void> => {
  const { host, port, user, password, database } = clientOf(config)
  const child = spawn(tool, args, {
    env: {
      ...process.env,
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGPASSWORD: password ?? '',
      PGDATABASE: database,
      ...tlsOf(config),
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  try {
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new OperatorError(`${tool} failed.`)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new OperatorError(
        `${tool} is not here: install PostgreSQL's client programs (Debian: postgresql-client).`,
      )
    throw error
  }
}

export const databaseName = (config: PostgresConfig): string => {
  const { database } = clientOf(config)
  if (database === undefined)
    throw new OperatorError('No database is named: set DB_NAME, or the path of DATABASE_URL.')
  return database
}
