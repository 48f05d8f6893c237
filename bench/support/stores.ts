import { onRedis } from '@shop/testing/stores/redis.ts'
import { Client } from 'pg'
import { isProgram, parentOf } from './processor-time.ts'

/**
 * The process of the PostgreSQL server, whose children are its backends and background processes. Empty if it is
 * not on this machine: the process of a connection tells.
 */
const postgresProcess = async (connectionString: string): Promise<number[]> => {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const server = rows[0] && parentOf(rows[0].pid, 'postgres:')
    return server === undefined ? [] : [server]
  } finally {
    await client.end()
  }
}

const redisProcess = async (): Promise<number[]> => {
  const [, pid] = /process_id:(\d+)/.exec(await onRedis((client) => client.info('server'))) ?? []
  return isProgram(Number(pid), 'redis-server') ? [Number(pid)] : []
}

/** The processes of PostgreSQL and Redis whose CPU time is measured. */
export const storeProcesses = async (databaseUrl: string) => {
  const [postgres, redis] = await Promise.all([postgresProcess(databaseUrl), redisProcess()])
  return { postgres, redis }
}
