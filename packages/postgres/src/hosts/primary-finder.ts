import { setTimeout as delay } from 'node:timers/promises'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import type { ClientSettings, ClientWithErrorHandler, PrimaryFinder } from '../client.ts'
import { findWritable } from './find-writable.ts'
import type { Host } from './host-list.ts'

/** A failed search is not repeated earlier, because each costs the standby servers a connection. */
const pauseAfterFailureMs = 100

const leaveRetryMs = 500

const isOn = (client: ClientWithErrorHandler, { host, port }: Host): boolean =>
  client.host === host && client.port === port

/** The open clients, and the server that new ones connect to. */
class Finder implements PrimaryFinder {
  readonly #hosts: readonly Host[]
  readonly #settings: ClientSettings
  readonly #clients = new Set<ClientWithErrorHandler>()
  readonly #leaving = new Set<ClientWithErrorHandler>()
  #primary: Host | undefined
  /** The latest primary, also if it is in doubt. */
  #latest: Host | undefined
  #search: Promise<Host> | undefined

  constructor(hosts: readonly Host[], settings: ClientSettings) {
    this.#hosts = hosts
    this.#settings = settings
  }

  async connect(client: ClientWithErrorHandler, open: () => Promise<unknown>): Promise<void> {
    Object.assign(client, this.#primary ?? (await this.#find()))
    this.#clients.add(client)
    client.once('end', () => this.#remove(client)).on('error', () => this.#onLost(client))
    try {
      await open()
    } catch (error) {
      this.#onLost(client)
      throw error
    }
  }

  leave(client: ClientWithErrorHandler): void {
    const isFirst = this.#leaving.size === 0
    this.#leaving.add(client)
    if (isFirst) void this.#leaveAll()
  }

  async ping(limitMs: number): Promise<void> {
    await withDeadline(limitMs, 'no PostgreSQL server that accepts writes has responded', this.#find())
  }

  /** Concurrent searches are one. */
  #find(): Promise<Host> {
    this.#search ??= this.#runSearch()
    return this.#search
  }

  async #runSearch(): Promise<Host> {
    this.#primary = undefined
    try {
      const primary = await findWritable(this.#hosts, this.#settings, this.#latest)
      // Otherwise the next statements hang on a hung server, or are refused by a demoted one.
      for (const client of this.#clients) if (!isOn(client, primary)) client.drop()
      this.#primary = primary
      this.#latest = primary
      this.#search = undefined
      return primary
    } catch (error) {
      setTimeout(() => {
        this.#search = undefined
      }, pauseAfterFailureMs).unref()
      throw error
    }
  }

  #onLost(client: ClientWithErrorHandler): void {
    if (this.#primary !== undefined && isOn(client, this.#primary)) this.#primary = undefined
    this.#remove(client)
  }

  #remove(client: ClientWithErrorHandler): void {
    this.#clients.delete(client)
    this.#leaving.delete(client)
    // Without a connection, a change of the primary would go unnoticed.
    if (this.#clients.size === 0) this.#primary = undefined
  }

  /** Until another server accepts writes, the clients stay where they are: reads still succeed there. */
  async #leaveAll(): Promise<void> {
    while (this.#leaving.size > 0)
      try {
        await this.#find()
        for (const client of this.#leaving) client.drop()
        this.#leaving.clear()
      } catch {
        await delay(leaveRetryMs, undefined, { ref: false })
      }
  }
}

/** The finder of each list: all pools of a process move to another server together. */
const finders = new WeakMap<readonly Host[], Finder>()

/** Adds a finder if the configuration lists several hosts. All clients with the same list share it. */
export const withPrimaryFinder = <Settings extends ClientSettings>(
  settings: Settings & Readonly<{ hosts?: readonly Host[] | undefined }>,
): Settings & ClientSettings => {
  const { hosts } = settings
  if (hosts === undefined) return settings
  const finder = finders.get(hosts) ?? new Finder(hosts, settings)
  finders.set(hosts, finder)
  return { ...settings, finder }
}
