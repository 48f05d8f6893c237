import { kindOf } from '@shop/kernel/errors.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { createHangGuard } from '@shop/platform/resilience/hang-guard.ts'
import { clientConfigOf } from '../address.ts'
import { type ClientSettings, ClientWithErrorHandler } from '../client.ts'
import type { PostgresConfig } from '../database.ts'
import { isTimeout } from '../errors.ts'
import { withPrimaryFinder } from '../hosts/primary-finder.ts'

/** Together with the pause between two checks below a second: the time until callers are rejected. */
const overdueMs = 300
const pingLimitMs = 500

/** Opens a connection for one statement. */
const respond = async (settings: ClientSettings): Promise<void> => {
  const client = new ClientWithErrorHandler(settings)
  try {
    await client.connect()
    await client.query('select 1')
  } finally {
    void client.end().catch(() => {})
  }
}

const isNoResponse = (error: unknown): boolean => isTimeout(error) || kindOf(error) === 'unavailable'

/**
 * Rejects only if the time is over: after any error, such as a refused connection, the calls fail by themselves. With
 * several hosts, this searches for the one that accepts writes, and cuts the connections to the others.
 */
const ping = async ({ address, tls, applicationName }: PostgresConfig): Promise<void> => {
  const settings = withPrimaryFinder({
    ...clientConfigOf(address, tls),
    application_name: applicationName,
    connectionTimeoutMillis: pingLimitMs,
    query_timeout: pingLimitMs,
  })
  const response = settings.finder?.ping(pingLimitMs) ?? respond(settings)
  const outcome = response.catch((error: unknown) => {
    if (isNoResponse(error)) throw error
  })
  await withDeadline(pingLimitMs, 'the database did not respond', outcome)
}

/**
 * Returns a function that runs calls to the primary. If the primary hangs, it rejects them with `unavailable` and
 * `message`: the first ones within a second, further ones at once.
 */
export const openHangGuard = (
  config: PostgresConfig,
  message: string,
  metrics: Pick<Metrics, 'watchBreaker'> | undefined,
  signal: AbortSignal,
) =>
  createHangGuard({
    overdueMs,
    pingPauseMs: 500,
    ping: () => ping(config),
    message,
    onState: metrics?.watchBreaker('postgres'),
    signal,
  })
