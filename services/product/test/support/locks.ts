import { query } from '@shop/testing/stores/postgres.ts'
import { Client } from 'pg'

/** Runs the statement in a new transaction, which holds its locks until `release` or disposal. */
export const holdLocks = async (url: string, statement: string) => {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('begin')
  await client.query(statement)
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const blocked = `from pg_stat_activity where ${rows[0]?.pid} = any(pg_blocking_pids(pid))`
  return {
    /** The statements that wait for these locks, according to `pg_stat_activity`. */
    blockedStatements: async (): Promise<string[]> =>
      (await query(`select query ${blocked}`, url)).map((row) => String(row['query'])),
    /** Ends the sessions that wait for these locks. */
    terminateBlocked: () => query(`select pg_terminate_backend(pid) ${blocked}`, url),
    /** Runs another statement in the transaction. */
    execute: (next: string) => client.query(next),
    release: () => client.query('rollback'),
    /** The statement takes effect. */
    commit: () => client.query('commit'),
    [Symbol.asyncDispose]: () => client.end(),
  }
}
