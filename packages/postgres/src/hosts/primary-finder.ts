import { setTimeout as delay } from 'node:timers/promises'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { type ClientSettings, ClientWithErrorHandler, type PrimaryFinder } from '../client.ts'
import type { Host } from './host-list.ts'
import { NoPrimary } from './no-primary.ts'

/** A server that does not respond within this time does not count. */
const searchLimitMs = 1_000

/** A failed search is not repeated earlier, because each costs the standby servers a connection. */
const pauseAfterFailureMs = 100

const leaveRetryMs = 1_000

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

const findWritable = async (hosts: readonly Host[], settings: ClientSettings): Promise<Host> => {
  try {
    return await Promise.any(hosts.map((host) => requireWritable(host, settings)))
  } catch (error) {
    throw error instanceof AggregateError ? new NoPrimary(hosts, error) : error
  }
}

const isOn = (client: ClientWithErrorHandler, { host, port }: Host): boolean =>
  client.host === host && client.port === port

/** The clients of one configuration, and the server that they connect to, if it is known. */
const createSearch = (hosts: readonly Host[], settings: ClientSettings) => {
  const clients = new Set<ClientWithErrorHandler>()
  let primary: Host | undefined
  let running: Promise<Host> | undefined

  const run = async (): Promise<Host> => {
    primary = undefined
    try {
      const found = await findWritable(hosts, settings)
      primary = found
      // Otherwise the next statements hang on a hung server, or are refused by a demoted one.
      for (const client of clients) if (!isOn(client, found)) client.drop()
      running = undefined
      return found
    } catch (error) {
      setTimeout(() => {
        running = undefined
      }, pauseAfterFailureMs).unref()
      throw error
    }
  }
  /** Concurrent searches are one. */
  const search = (): Promise<Host> => {
    running ??= run()
    return running
  }
  const remove = (client: ClientWithErrorHandler) => {
    clients.delete(client)
    // Without a connection, a change of the primary would go unnoticed.
    if (clients.size === 0) primary = undefined
  }
  const onLost = (client: ClientWithErrorHandler) => {
    if (primary !== undefined && isOn(client, primary)) primary = undefined
    remove(client)
  }
  return {
    search,
    connect: async (client: ClientWithErrorHandler, open: () => Promise<unknown>): Promise<void> => {
      Object.assign(client, primary ?? (await search()))
      clients.add(client)
      client.once('end', () => remove(client)).on('error', () => onLost(client))
      try {
        await open()
      } catch (error) {
        onLost(client)
        throw error
      }
    },
  }
}

const createPrimaryFinder = (hosts: readonly Host[], settings: ClientSettings): PrimaryFinder => {
  const { search, connect } = createSearch(hosts, settings)
  const leaving = new Set<ClientWithErrorHandler>()

  /** Until another server accepts writes, the clients stay where they are: reads still succeed there. */
  const leaveAll = async (): Promise<void> => {
    while (leaving.size > 0)
      try {
        await search()
        for (const client of leaving) client.drop()
        leaving.clear()
      } catch {
        await delay(leaveRetryMs, undefined, { ref: false })
      }
  }
  return {
    connect,
    leave: (client) => {
      const isFirst = leaving.size === 0
      leaving.add(client)
      client.once('end', () => leaving.delete(client))
      if (isFirst) void leaveAll()
    },
    ping: async (limitMs) => {
      await withDeadline(limitMs, 'no PostgreSQL server that accepts writes has responded', search())
    },
  }
}

/** Adds a finder if the configuration lists several hosts. All clients of the result share it. */
export const withPrimaryFinder = <Settings extends ClientSettings>(
  settings: Settings & Readonly<{ hosts?: readonly Host[] | undefined }>,
): Settings & ClientSettings => {
  const { hosts } = settings
  return hosts === undefined ? settings : { ...settings, finder: createPrimaryFinder(hosts, settings) }
}
