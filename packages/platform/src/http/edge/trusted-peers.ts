import type { Socket } from 'node:net'
import { networkMatcher } from '../../config/networks.ts'

/** Whether the peer of the connection may choose the ids of requests and traces. */
export type TrustedPeers = (socket: Socket) => boolean

/**
 * The peers in these networks, a text that `mustBeNetworks` allows. The peer is the other end of the connection, such as
 * a proxy, and never an address in a header. Each connection is looked up once.
 */
export const trustedPeers = (networks: string): TrustedPeers => {
  const isTrusted = networkMatcher(networks)
  const known = new WeakMap<Socket, boolean>()
  return (socket) => {
    const found = known.get(socket)
    if (found !== undefined) return found
    const trusted = isTrusted(socket.remoteAddress)
    known.set(socket, trusted)
    return trusted
  }
}
