import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { OperatorError } from '@shop/platform/operator-error.ts'
import { Client } from 'pg'
import { type ProductConfig, readConfig } from '../../services/product/src/config.ts'
import { addressOf } from '../../services/product/src/infrastructure/database.ts'

/** The server that the environment names. Throws for the embedded engine, which PostgreSQL's tools cannot reach. */
export const serverConfig = (): ProductConfig => {
  const config = readConfig(process.env)
  if (config.STORAGE === 'embedded')
    throw new OperatorError(
      `Name a server with DATABASE_URL or DB_HOST. The embedded database is the folder ${config.DATA_DIR}/products: stop the service and copy it.`,
    )
  return config
}

/** A connection to a database of the server, by default to the one that is named. */
export const connect = async (config: ProductConfig, otherDatabase?: string): Promise<Client> => {
  const { host, port, user, password, ssl, database } = new Client(addressOf(config))
  const address = { host, port, user, password, ssl, database: otherDatabase ?? database }
  const client = new Client({ ...address, connectionTimeoutMillis: 5_000 })
  await client.connect()
  return client
}

/** What the service does about TLS, for PostgreSQL's own programs: a URL may say it too. */
const tlsOf = ({ DATABASE_URL, DB_SSLMODE, DB_SSLROOTCERT }: ProductConfig): Record<string, string> => {
  const url = DATABASE_URL === undefined ? undefined : new URL(DATABASE_URL).searchParams
  const rootCertificate = url?.get('sslrootcert') ?? DB_SSLROOTCERT
  return {
    PGSSLMODE: url?.get('sslmode') ?? DB_SSLMODE,
    ...(rootCertificate !== undefined && { PGSSLROOTCERT: rootCertificate }),
  }
}

/** Runs one of PostgreSQL's programs on the server; credentials go by its environment, where no process list shows them. */
export const runTool = async (
  config: ProductConfig,
  tool: string,
  args: readonly string[],
): Promise<void> => {
  const { host, port, user, password, database } = new Client(addressOf(config))
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

export const databaseName = (config: ProductConfig): string =>
  new Client(addressOf(config)).database ?? config.DB_NAME
