import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { clientConfigOf } from '@shop/postgres/address.ts'
import { ClientWithErrorHandler } from '@shop/postgres/client.ts'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { withPrimaryFinder } from '@shop/postgres/hosts/primary-finder.ts'
import type { Client } from 'pg'
import { readProgramConfig } from './catalog.ts'
import { maxNameBytes } from './database-names.ts'

/** Returns the configured server. Throws for embedded storage, which PostgreSQL's tools cannot access. */
export const serverConfig = (): PostgresConfig => {
  const { storage } = readProgramConfig()
  if (storage.kind === 'embedded')
    throw new OperatorError(
      `This command needs a server: set DATABASE_URL or DB_HOST. To back up the embedded database, stop the service and copy the folder ${storage.folder}.`,
    )
  return storage.postgres
}

const clientOf = ({ address, tls }: PostgresConfig): Client =>
  new ClientWithErrorHandler(clientConfigOf(address, tls))

/** Connects to a database on the server, by default to the configured one. */
export const connect = async (config: PostgresConfig, otherDatabase?: string): Promise<Client> => {
  const { host, port, user, password, ssl, database } = clientOf(config)
  const address = { host, port, user, password, ssl, database: otherDatabase ?? database }
  const { hosts } = config.address
  const settings = withPrimaryFinder({ ...address, hosts, connectionTimeoutMillis: 5_000 })
  const client = new ClientWithErrorHandler(settings)
  await client.connect()
  return client
}

/** The TLS settings as variables for PostgreSQL's programs. Parameters in the URL take precedence. */
const tlsOf = ({ address, tls }: PostgresConfig): Record<string, string> => {
  const url = 'url' in address ? new URL(address.url).searchParams : undefined
  const rootCertificate = url?.get('sslrootcert') ?? tls.rootCertificate
  return {
    PGSSLMODE: url?.get('sslmode') ?? tls.mode,
    ...(rootCertificate !== undefined && { PGSSLROOTCERT: rootCertificate }),
  }
}

/** The address of the server, or of all servers, as variables for PostgreSQL's programs. */
const hostsOf = (config: PostgresConfig): Record<string, string> => {
  const { host, port } = clientOf(config)
  const { hosts } = config.address
  if (hosts === undefined) return { PGHOST: host, PGPORT: String(port) }
  return {
    PGHOST: hosts.map((entry) => entry.host).join(','),
    PGPORT: hosts.map((entry) => entry.port).join(','),
    PGTARGETSESSIONATTRS: 'read-write',
    // Otherwise a server that does not respond is waited for as long as TCP retries.
    PGCONNECT_TIMEOUT: process.env['PGCONNECT_TIMEOUT'] || '5',
  }
}

/**
 * Runs a PostgreSQL program against the server, or against the one of `connected`: libpq gives up a list of hosts where one
 * of them does not have a new database yet. Credentials are in the environment, because process lists show arguments.
 */
export const runTool = async (
  config: PostgresConfig,
  tool: string,
  args: readonly string[],
  connected?: Client,
): Promise<void> => {
  const { user, password, database } = clientOf(config)
  const child = spawn(tool, args, {
    env: {
      ...process.env,
      ...hostsOf(config),
      ...(connected && { PGHOST: connected.host, PGPORT: String(connected.port) }),
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
        `${tool} not found: install PostgreSQL's client programs (Debian: postgresql-client).`,
      )
    throw error
  }
}

export const databaseName = (config: PostgresConfig): string => {
  const { database } = clientOf(config)
  if (database === undefined)
    throw new OperatorError('No database name is configured: set DB_NAME, or the path of DATABASE_URL.')
  if (Buffer.byteLength(database) > maxNameBytes)
    throw new OperatorError(
      `The database name ${database} has more than ${maxNameBytes} bytes, and PostgreSQL cuts it off: set the name that PostgreSQL shows.`,
    )
  return database
}

/** Runs `use` on a connection to a database. */
export const onDatabase = async <Result>(
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
