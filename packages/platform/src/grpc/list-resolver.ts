import { type ChannelOptions, experimental } from '@grpc/grpc-js'

type Listener = experimental.ResolverListener
type Lookup = Parameters<Listener>[0]

type Entry = {
  readonly resolver: experimental.Resolver
  hasResult: boolean
  endpoint?: experimental.Endpoint
  retry?: NodeJS.Timeout
}

const retryMs = 1_000

/**
 * Resolves `list:///host:port,host:port`. In a list, grpc-js itself accepts only IP addresses. Each entry is
 * one server, even if its name has several addresses.
 */
class ListResolver implements experimental.Resolver {
  readonly #entries: readonly Entry[]
  readonly #listener: Listener

  constructor({ path }: experimental.GrpcUri, listener: Listener, options: ChannelOptions) {
    this.#listener = listener
    this.#entries = path.split(',').map((hostPort) => {
      const listen: Listener = (result) => this.#onResult(entry, result)
      const resolver = experimental.createResolver({ scheme: 'dns', path: hostPort }, listen, options)
      const entry: Entry = { resolver, hasResult: false }
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
    for (const { resolver, retry } of this.#entries) {
      resolver.destroy()
      clearTimeout(retry)
    }
  }

  /** If a lookup fails, the entry keeps its addresses and is looked up again. Others do not wait for it. */
  #onResult(entry: Entry, result: Lookup): boolean {
    entry.hasResult = true
    if (result.ok) entry.endpoint = { addresses: result.value.flatMap(({ addresses }) => addresses) }
    else entry.retry = setTimeout(() => entry.resolver.updateResolution(), retryMs).unref()
    const known = this.#entries.flatMap(({ endpoint }) => endpoint ?? [])
    if (result.ok) return this.#listener(experimental.statusOrFromValue(known), {}, null, '')
    const allFailed = known.length === 0 && this.#entries.every(({ hasResult }) => hasResult)
    return allFailed ? this.#listener(result, {}, null, '') : true
  }
}

/** Makes `list:///` targets available to all channels that are opened from now on. */
export const registerListResolver = (): void => experimental.registerResolver('list', ListResolver)
