import { randomBytes } from 'node:crypto'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { Client } from 'pg'
import { unlessReachable } from './servers.ts'

const url = process.env['TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'

/** Runs a statement, by default on the test server, and returns its rows. */
export const query = async <Row extends object = Record<string, unknown>>(
  statement: string,
  connectionString = url,
): Promise<Row[]> => {
  const client = new Client({ connectionString, connectionTimeoutMillis: 20_000 })
  await client.connect()
  try {
    return (await client.query<Row>(statement)).rows
  } finally {
    await client.end()
  }
}

/** The database configuration of a service for which only this URL is set. */
export const postgresConfig = (address: string): PostgresConfig => ({
  applicationName: 'test',
  address: { url: address },
  tls: { mode: 'disable', rootCertificate: undefined },
  poolSize: 10,
  pgBouncer: false,
  replicaUrl: undefined,
})

/** For a suite's `skip`: the reason if there is no PostgreSQL server for tests, otherwise false. */
export const withoutPostgres = await unlessReachable('PostgreSQL (TEST_DATABASE_URL)', () =>
  query('select 1'),
)

/** Creates a schema for one test on the test server. Disposing of it drops the schema. */
export const ownSchema = async (): Promise<{ url: string } & AsyncDisposable> => {
  const schema = `test_${randomBytes(6).toString('hex')}`
  await query(`create schema ${schema}`)
  const own = new URL(url)
  own.searchParams.set('options', `-c search_path=${schema}`)
  return {
    url: own.href,
    [Symbol.asyncDispose]: async () => void (await query(`drop schema ${schema} cascade`)),
  }
}

/** Creates a database for one test, with `options` of `create database`. Disposing of it drops all databases whose names start with its name. */
export const ownDatabase = async (options = ''): Promise<{ name: string; url: string } & AsyncDisposable> => {
  const name = `test_${randomBytes(6).toString('hex')}`
  await query(`create database ${name} ${options}`)
  const own = new URL(url)
  own.pathname = `/${name}`
  return {
    name,
    url: own.href,
    [Symbol.asyncDispose]: async () => {
      const rows = await query(`select datname from pg_database where datname like '${name}%'`)
      for (const { datname } of rows) await query(`drop database ${String(datname)} with (force)`)
    },
  }
}
