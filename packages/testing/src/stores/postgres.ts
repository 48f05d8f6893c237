import { randomBytes } from 'node:crypto'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { Client } from 'pg'
import { unlessReachable } from './servers.ts'

const url = process.env['TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'

/** The rows of one statement, by default on the server's own database. */
export const query = async (statement: string, on = url): Promise<Record<string, unknown>[]> => {
  const client = new Client({ connectionString: on, connectionTimeoutMillis: 20_000 })
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

/** What a service's configuration comes to when it names this address alone. */
export const postgresConfig = (address: string): PostgresConfig => ({
  applicationName: 'test',
  address: { url: address },
  tls: { mode: 'disable', rootCertificate: undefined },
  poolSize: 10,
  pgBouncer: false,
  replicaUrl: undefined,
})

/** For a suite's `skip`: the reason when there is no PostgreSQL to test on. */
export const withoutPostgres = await unlessReachable('PostgreSQL (TEST_DATABASE_URL)', () =>
  query('select 1'),
)

/** A schema of its own on the real server, as a connection URL; dropped when disposed of. */
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

/** A database of its own on the real server; dropped when disposed of, with those that are named after it. */
export const ownDatabase = async (): Promise<{ name: string; url: string } & AsyncDisposable> => {
  const name = `test_${randomBytes(6).toString('hex')}`
  await query(`create database ${name}`)
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
