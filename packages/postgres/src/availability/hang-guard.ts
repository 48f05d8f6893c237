import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { createHangGuard } from '@shop/platform/resilience/hang-guard.ts'
import { clientConfigOf } from '../address.ts'
import { ClientWithErrorHandler } from '../client.ts'
import type { PostgresConfig } from '../database.ts'
import { isTimeout } from '../errors.ts'

/** Together with the pause between two checks below a second: the time until callers are rejected. */
const overdueMs = 300
const pingLimitMs = 500

/**
 * Opens a connection for one statement. Rejects only if the time is over: after any error, such as a refused
 * connection, the calls fail by themselves.
 */
const ping = async ({ address, tls, applicationName }: PostgresConfig): Promise<void> => {
  const client = new ClientWithErrorHandler({
    ...clientConfigOf(address, tls),
    application_name: applicationName,
    // Also closes the socket. A hung server would keep it open.
    connectionTimeoutMillis: pingLimitMs,
  })
  const respond = async () => {
    await client.connect()
    await client.query('select 1')
  }
  const response = respond().catch((error: unknown) => {
    if (isTimeout(error)) throw error
  })
  await withDeadline(pingLimitMs, 'the database did not respond', response).finally(() => {
    void client.end().catch(() => {})
  })
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
