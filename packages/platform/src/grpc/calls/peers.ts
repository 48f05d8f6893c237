import type { Http2Session } from 'node:http2'
import type { Metadata } from '@grpc/grpc-js'
import { networkMatcher } from '../../config/networks.ts'
import type { Client, ClientFinder } from '../../limits/client.ts'

/** The other end of a connection. */
export type Peer = Readonly<{
  address: string | undefined
  /** The client of its calls, unless they have `x-forwarded-for` and the peer is trusted. */
  client: Client
  /** Whether it may choose the ids of requests and traces, and name the client. */
  isTrusted: boolean
}>

/** Returns a function that finds the peer of a connection. Each connection is looked up once. */
export const peerFinder = (findClient: ClientFinder, trustedNetworks: string) => {
  const isTrusted = networkMatcher(trustedNetworks)
  const peers = new WeakMap<Http2Session, Peer>()
  return (address: string | undefined, session: Http2Session | undefined): Peer => {
    const known = session && peers.get(session)
    if (known !== undefined) return known
    const peer = { address, client: findClient(address), isTrusted: isTrusted(address) }
    if (session !== undefined) peers.set(session, peer)
    return peer
  }
}

/** The client whose share of the limits the call uses. */
export const clientOf = (
  { address, client, isTrusted }: Peer,
  metadata: Metadata,
  findClient: ClientFinder,
): Client => {
  if (!isTrusted) return client
  const forwardedFor = metadata.get('x-forwarded-for')
  return forwardedFor.length === 0 ? client : findClient(address, forwardedFor.join(','))
}
