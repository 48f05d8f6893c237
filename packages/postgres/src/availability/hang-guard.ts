import { kindOf } from '@shop/kernel/errors.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { createHangGuard } from '@shop/platform/resilience/hang-guard.ts'
import { type Kysely, sql } from 'kysely'
import { clientConfigOf } from '../address.ts'
import { type ClientSettings, ClientWithErrorHandler } from '../client.ts'
import type { PostgresConfig } from '../database.ts'
import { isTimeout } from '../errors.ts'
import { withPrimaryFinder } from '../hosts/primary-finder.ts'

/** Together with the pause between two checks below a second: the time until callers are rejected. */
const overdueMs = 300
const pingLimitMs = 500

/** As long as a connection may take to open. Used while the guard is open, so that slow logins do not keep it open. */
const longPingLimitMs = 2_000

/** Opens a connection for one statement. With several hosts, searches for the one that accepts writes instead. */
const pingNew = async (settings: ClientSettings, limitMs: number): Promise<void> => {
  if (settings.finder !== undefined) return settings.finder.ping(limitMs)
  const client = new ClientWithErrorHandler({
    ...settings,
    connectionTimeoutMillis: limitMs,
    query_timeout: limitMs,
  })
  try {
    await client.connect()
    await client.query('select 1')
  } finally {
    void client.end().catch(() => {})
  }
}

/** Rejects only if the time is over: after any error, such as a refused connection, the calls fail by themselves. */
const rejectOnTimeout = (response: Promise<unknown>): Promise<unknown> =>
  response.catch((error: unknown) => {
    if (isTimeout(error) || kindOf(error) === 'unavailable') throw error
  })

/**
 * Returns a ping. It uses a new connection and one of the pool at the same time: the existing ones may be the only
 * ones that hang, and a login may be the only thing that is slow. The limit follows the duration of the latest pings.
 */
const createPing = <Tables>(config: PostgresConfig, database: Kysely<Tables>) => {
  const { address, tls, applicationName } = config
  const settings = withPrimaryFinder({ ...clientConfigOf(address, tls), application_name: applicationName })
  let limitMs = pingLimitMs
  return async (): Promise<void> => {
    const started = performance.now()
    const responses = [pingNew(settings, limitMs), sql`select 1`.execute(database)].map(rejectOnTimeout)
    try {
      await withDeadline(limitMs, 'the database did not respond', Promise.any(responses))
      const doubled = 2 * (performance.now() - started)
      limitMs = Math.min(Math.max(doubled, pingLimitMs), longPingLimitMs)
    } catch (error) {
      limitMs = longPingLimitMs
      throw error
    }
  }
}

/**
 * Returns a function that runs calls to the primary. If the primary hangs, it rejects them with `unavailable` and
 * `message`: the first ones within a second, further ones at once.
 */
export const openHangGuard = <Tables>(
  config: PostgresConfig,
  database: Kysely<Tables>,
  message: string,
  metrics: Pick<Metrics, 'watchBreaker'> | undefined,
  signal: AbortSignal,
) =>
  createHangGuard({
    overdueMs,
    pingPauseMs: 500,
    ping: createPing(config, database),
    message,
    onState: metrics?.watchBreaker('postgres'),
    signal,
  })
