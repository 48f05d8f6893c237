import { type ChannelOptions, experimental } from '@grpc/grpc-js'

type Listener = experimental.ResolverListener
type Lookup = Parameters<Listener>[0]

type Entry = {
  readonly resolver: experimental.Resolver
  answered: boolean
  endpoint?: experimental.Endpoint
  again?: NodeJS.Timeout
}

const lookUpAgainMs = 1_000

/**
 * Resolves `list:///host:port,host:port`: grpc-js itself takes IP addresses only in a list. Each entry is one server, however
 * many addresses its name has.
 */
class ListResolver implements experimental.Resolver {
  readonly #entries: readonly Entry[]
  readonly #listener: Listener

  constructor({ path }: experimental.GrpcUri, listener: Listener, options: ChannelOptions) {
    this.#listener = listener
    this.#entries = path.split(',').map((hostPort) => {
      const listen: Listener = (result) => this.#found(entry, result)
      const resolver = experimental.createResolver({ scheme: 'dns', path: hostPort }, listen, options)
      const entry: Entry = { resolver, answered: false }
      return entry
    })
  }

  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return path.split(',', 1)[0] ?? path
  }

  updateResolution(): void {
    for (const { resolver } of this.#entries) resolver.updateResolution()
  }

  destroy(): void {
    for (const { resolver, again } of this.#entries) {
      resolver.destroy()
      clearTimeout(again)
    }
  }

  /** A name that is not found keeps the addresses that it had, and the other entries do not wait for it. */
  #found(entry: Entry, result: Lookup): boolean {
    entry.answered = true
    if (result.ok) entry.endpoint = { addresses: result.value.flatMap(({ addresses }) => addresses) }
    else entry.again = setTimeout(() => entry.resolver.updateResolution(), lookUpAgainMs).unref()
    const known = this.#entries.flatMap(({ endpoint }) => endpoint ?? [])
    if (result.ok) return this.#listener(experimental.statusOrFromValue(known), {}, null, '')
    const nothing = known.length === 0 && this.#entries.every(({ answered }) => answered)
    return nothing ? this.#listener(result, {}, null, '') : true
  }
}

/** From now on channels can be opened to lists. */
export const registerListResolver = (): void => experimental.registerResolver('list', ListResolver)
