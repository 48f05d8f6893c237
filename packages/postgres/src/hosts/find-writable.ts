import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { type ClientSettings, ClientWithErrorHandler } from '../client.ts'
import type { Host } from './host-list.ts'
import { NoPrimary } from './no-primary.ts'

/** A server that does not respond within this time does not count. */
const searchLimitMs = 1_000

/** How long other servers that accept writes have to wait for the preferred one. */
const preferenceMs = 250

/** Resolves with the host if its server accepts writes. */
const requireWritable = async (host: Host, settings: ClientSettings): Promise<Host> => {
  const client = Object.assign(new ClientWithErrorHandler(settings), host)
  let isOver = false
  const limit = setTimeout(() => {
    isOver = true
    client.drop()
  }, searchLimitMs)
  try {
    await client.connect()
    const { rows } = await client.query<{ transaction_read_only: string }>('show transaction_read_only')
    if (rows[0]?.transaction_read_only !== 'off') throw new Error('it is read-only')
    return host
  } catch (error) {
    throw isOver ? new Error(`no response within ${searchLimitMs} ms`, { cause: error }) : error
  } finally {
    clearTimeout(limit)
    void client.end()
  }
}

/**
 * Asks all servers at the same time. Resolves with the preferred one if it soon says that it accepts writes, otherwise
 * with the first that does. Two entries may be addresses of one server, and a change would cut all connections.
 */
export const findWritable = async (
  hosts: readonly Host[],
  settings: ClientSettings,
  preferred: Host | undefined,
): Promise<Host> => {
  const attempts = hosts.map((host) => requireWritable(host, settings))
  const first = Promise.any(attempts)
  const preferredAttempt = attempts[hosts.findIndex((host) => host === preferred)]
  try {
    if (preferredAttempt === undefined) return await first
    const soon = withDeadline(preferenceMs, 'the preferred server did not respond', preferredAttempt)
    return await soon.catch(() => first)
  } catch (error) {
    throw error instanceof AggregateError ? new NoPrimary(hosts, error.errors) : error
  }
}
