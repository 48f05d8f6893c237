import { type ClientSettings, ClientWithErrorHandler } from '../client.ts'
import type { Host } from './host-list.ts'
import { NoPrimary } from './no-primary.ts'

/** A server that does not respond within this time does not count. */
const searchLimitMs = 1_000

/** Resolves with the host if its server accepts writes. */
const requireWritable = async (host: Host, settings: ClientSettings): Promise<Host> => {
  const client = Object.assign(new ClientWithErrorHandler(settings), host)
  const limit = setTimeout(() => client.drop(), searchLimitMs)
  try {
    await client.connect()
    const { rows } = await client.query<{ transaction_read_only: string }>('show transaction_read_only')
    if (rows[0]?.transaction_read_only !== 'off') throw new Error('it is read-only')
    return host
  } finally {
    clearTimeout(limit)
    void client.end()
  }
}

/** Asks all servers at the same time. Resolves with the first that accepts writes. */
export const findWritable = async (hosts: readonly Host[], settings: ClientSettings): Promise<Host> => {
  try {
    return await Promise.any(hosts.map((host) => requireWritable(host, settings)))
  } catch (error) {
    throw error instanceof AggregateError ? new NoPrimary(hosts, error) : error
  }
}
