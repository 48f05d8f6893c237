import { isIPv6 } from 'node:net'
import { addressesIn, hostPort } from '@shop/platform/config/addresses.ts'

export type Host = Readonly<{ host: string; port: number }>

const maxHosts = 16

/** The rule that a list must satisfy, for messages. */
export const hostListRule = `at most ${maxHosts} hosts, separated by commas, each with an optional port from 1 to 65535: a,b:5433 or [::1]:5433`

const address = new RegExp(`^${hostPort}$`)

/** The entry with its port. An IPv6 address needs brackets only if a port follows. */
const withPort = (entry: string, defaultPort: number): string => {
  if (isIPv6(entry)) return `[${entry}]:${defaultPort}`
  return /^(\[[^\]]*\]|[^:]+)$/.test(entry) ? `${entry}:${defaultPort}` : entry
}

/** A path is the folder of a Unix socket, as in libpq. */
const hostIn = (entry: string, defaultPort: number): Host | undefined => {
  if (entry.startsWith('/')) return { host: entry, port: defaultPort }
  const text = withPort(entry, defaultPort)
  return address.test(text) ? addressesIn(text)[0] : undefined
}

/** Reads a list such as `a,b:5433`. Returns undefined if it violates the rule. */
export const hostsIn = (text: string, defaultPort: number): readonly [Host, ...Host[]] | undefined => {
  const entries = text.split(',', maxHosts + 1)
  if (entries.length > maxHosts) return undefined
  const [first, ...others] = entries.map((entry) => hostIn(entry, defaultPort))
  if (first === undefined || others.includes(undefined)) return undefined
  return [first, ...others.filter((host) => host !== undefined)]
}

export const standardPort = 5_432

/** Everything before the hosts, the hosts, and everything after them. */
const parts = /^([a-z]+:\/\/(?:[^/?#]*@)?)([^/?#@]*)(.*)$/s

/**
 * Splits a URL that lists several hosts, as libpq accepts it, into a URL with the first host and the hosts. The hosts
 * are missing if they violate the rule. Returns undefined for any other URL.
 */
export const splitUrl = (url: string): Readonly<{ url: string; hosts?: readonly Host[] }> | undefined => {
  const [, start = '', list = '', end = ''] = parts.exec(url) ?? []
  if (!list.includes(',')) return undefined
  const hosts = hostsIn(list, standardPort)
  const first = list.slice(0, list.indexOf(','))
  return { url: `${start}${first}${end}`, ...(hosts !== undefined && { hosts }) }
}
