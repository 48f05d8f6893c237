import { isIP, SocketAddress } from 'node:net'
import { networkMatcher } from '../config/networks.ts'

/**
 * Who uses the service, for its share of what is limited: an IPv4 address, or the /64 network of an IPv6 address, because
 * one host has a whole such network. Undefined for a trusted proxy that names no client, which has no share of its own.
 */
export type Client = string | undefined

/** At most this many addresses of `X-Forwarded-For` are read, from the nearest proxy on. */
const maxProxies = 20

/**
 * The client of connections whose address is not known any more: the system forgets it when a client resets its connection
 * before it is accepted. Together they have one share, because each of them could otherwise use up the total.
 */
const goneClients = 'gone'

const mappedIpv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** The first four groups of an IPv6 address. */
const networkOf = (address: string): string => {
  // In the canonical form, `::` stands for the groups of zeros that are left out.
  const [before = '', after] = new SocketAddress({ address, family: 'ipv6' }).address.split('::')
  const left = before === '' ? [] : before.split(':')
  if (after === undefined) return `${left.slice(0, 4).join(':')}::/64`
  const right = after === '' ? [] : after.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`
}

const keyOf = (address: string): Client => {
  const ipv4 = mappedIpv4.exec(address)?.[1] ?? address
  const version = isIP(ipv4)
  if (version === 0) return undefined
  return version === 4 ? ipv4 : networkOf(ipv4)
}

/** Some proxies add the port of the client: `198.51.100.1:5000`, `[2001:db8::5]:5000`. */
const addressWithPort = /^(\d+\.\d+\.\d+\.\d+):\d+$|^\[([^\]]+)\](?::\d+)?$/

const withoutPort = (text: string): string => {
  const [, ipv4, ipv6] = addressWithPort.exec(text) ?? []
  return ipv4 ?? ipv6 ?? text
}

/** Finds the client of a connection or request. `forwardedFor` is the value of its `X-Forwarded-For` header. */
export type ClientFinder = (peer: string | undefined, forwardedFor?: string) => Client

/**
 * The peer is the client, unless it is in these networks, a text that `mustBeNetworks` allows: then it is a proxy, and the
 * client is the last address in `X-Forwarded-For` that is not in them. Earlier addresses are what a client claims.
 */
export const clientFinder = (trustedNetworks: string): ClientFinder => {
  const isTrusted = networkMatcher(trustedNetworks)
  return (peer, forwardedFor) => {
    if (peer === undefined) return goneClients
    if (!isTrusted(peer)) return keyOf(peer)
    const addresses =
      forwardedFor
        ?.split(',')
        .slice(-maxProxies)
        .map((address) => withoutPort(address.trim()))
        .filter((address) => address !== '') ?? []
    const client = addresses.findLast((address) => !isTrusted(address))
    return client === undefined ? undefined : keyOf(client)
  }
}
