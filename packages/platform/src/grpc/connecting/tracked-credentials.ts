import type { Socket } from 'node:net'
import { ChannelCredentials } from '@grpc/grpc-js'
import type { HandshakeLog } from './handshake-log.ts'

/** The only way to get at a channel's sockets. Not in the documentation of grpc-js, but in its types. */
const createSecureConnector = '_createSecureConnector'
const isSecure = '_isSecure'

type Connector = ReturnType<ChannelCredentials[typeof createSecureConnector]>
type ConnectorInput = Parameters<ChannelCredentials[typeof createSecureConnector]>

/** What makes the connections of a channel: the credentials for the next one, and who watches handshakes. */
export type Connections = Readonly<{
  credentials: () => ChannelCredentials
  watchHandshake?: HandshakeLog | undefined
}>

/**
 * Credentials of one channel. They use other credentials, which may change: each connection uses those of its time, and the
 * connections before go on. `destroy` destroys all connections made with them, now and later: a closed client of grpc-js keeps
 * a connection on which the server has not sent anything yet.
 */
export class TrackedCredentials extends ChannelCredentials {
  readonly #connections: Connections
  readonly #sockets = new Set<Socket>()
  #isDestroyed = false

  constructor(connections: Connections) {
    super()
    this.#connections = connections
  }

  override [isSecure](): boolean {
    return this.#connections.credentials()[isSecure]()
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override [createSecureConnector](...input: ConnectorInput): Connector {
    const create = () => this.#connections.credentials()[createSecureConnector](...input)
    const first = create()
    return {
      connect: (socket) => this.#connect(create(), socket),
      waitForReady: () => first.waitForReady(),
      getCallCredentials: () => first.getCallCredentials(),
      destroy: () => first.destroy(),
    }
  }

  #connect(connector: Connector, socket: Socket): ReturnType<Connector['connect']> {
    this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket)))
    // Once it is destroyed, the address is forgotten.
    const server = `${socket.remoteAddress}:${socket.remotePort}`
    if (this.#isDestroyed) socket.destroy()
    const connecting = connector.connect(socket)
    this.#connections.watchHandshake?.(server, connecting)
    return connecting
  }

  destroy(): void {
    this.#isDestroyed = true
    for (const socket of this.#sockets) socket.destroy()
  }
}
