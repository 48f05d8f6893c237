import { expectedFailure } from '@shop/platform/failure.ts'
import { createFailureLog } from '@shop/platform/logging/failure-log.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { Pool } from 'pg'

/** `name` is the label of the pool in the connection metrics. */
export type PoolMetrics = Readonly<{ name: string; metrics: Metrics | undefined }>

export const registerPoolMetrics = (pool: Pool, { name, metrics }: PoolMetrics): void =>
  metrics?.watchPool(name, () => ({
    idle: pool.idleCount,
    used: pool.totalCount - pool.idleCount,
    waiting: pool.waitingCount,
    max: pool.options.max,
  }))

/** Logs the server of the connections: at the first one, and when it changes. */
const logServer = (pool: Pool, logger: Logger): void => {
  let current: string | undefined
  pool.on('connect', ({ host, port }) => {
    const server = `${host}:${port}`
    if (server !== current)
      logger.info({ server, ...(current !== undefined && { previous: current }) }, 'using PostgreSQL server')
    current = server
  })
}

/** Logs lost connections and, if there are several servers, which one is in use. */
export const logPool = (pool: Pool, logger: Logger, hasSeveralServers: boolean): void => {
  const lostConnections = createFailureLog(logger, 'database connection lost', {
    level: 'warn',
    fieldsOf: expectedFailure,
  })
  pool.on('error', (error) => {
    // The driver adds the client, whose many members would fill the log line.
    Reflect.deleteProperty(error, 'client')
    lostConnections.record(error)
  })
  if (hasSeveralServers) logServer(pool, logger)
}
