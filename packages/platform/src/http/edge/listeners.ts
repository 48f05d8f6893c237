import { once } from 'node:events'
import { type AddressInfo, createServer, Server, type Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { ClientFinder } from '../../limits/client.ts'
import type { Tls } from '../../tls/open-tls.ts'

const urlOf = ({ address, port }: AddressInfo, tls: Tls | undefined): string =>
  `http${tls === undefined ? '' : 's'}://${address.includes(':') ? `[${address}]` : address}:${port}`

type Listening = Readonly<{
  /** Called when a connection cannot be accepted. */
  acceptFailed: (error: Error) => void
  findClient: ClientFinder
  tls?: Tls | undefined
}>

/** Listens on one more address. The connections go to the HTTP server, as if it had accepted them. */
const openFurther = async (
  app: FastifyInstance,
  port: number,
  host: string,
  { acceptFailed, tls }: Listening,
) => {
  // The options with which `node:http` and `node:https` create their own listener.
  const options = { allowHalfOpen: tls === undefined, noDelay: true }
  const further = createServer(options, (socket: Socket) => app.server.emit('connection', socket))
  further.listen({ port, host })
  await once(further, 'listening')
  further.on('error', acceptFailed)
  app.log.info(`Server listening at ${urlOf(further.address() as AddressInfo, tls)}`)
  return { server: further, closed: new Promise((resolve) => further.once('close', resolve)) }
}

/** Follows the handshakes of a server that ends TLS. */
const attachTls = (app: FastifyInstance, { tls, findClient }: Listening): void => {
  const server: unknown = app.server
  if (tls === undefined || !(server instanceof TlsServer)) return
  const { close } = tls.attach(server, 'http', findClient)
  // Only now: a client that closes its side during the handshake has gone.
  server.on('secureConnection', (socket) => {
    socket.allowHalfOpen = true
  })
  // Like connections without TLS that have not sent a request yet.
  app.addHook('preClose', (done) => {
    close()
    done()
  })
}

/**
 * Lets the HTTP server listen on several addresses. All connections belong to the one server, so that its limits, events
 * and drain apply to all of them.
 */
export const createListeners = (app: FastifyInstance, listening: Listening) => {
  attachTls(app, listening)
  // A client that closes its side after sending still gets its response. By default, Node.js closes the connection.
  Object.assign(app.server, { httpAllowHalfOpen: true })
  const further: Awaited<ReturnType<typeof openFurther>>[] = []
  const closeFurther = () => {
    for (const { server } of further) server.close()
  }
  app.addHook('preClose', (done) => {
    closeFurther()
    done()
  })
  app.addHook('onClose', async () => {
    await Promise.all(further.map(({ closed }) => closed))
  })
  return {
    /**
     * Listens on an IP address, in addition to those of earlier calls. Resolves with the port. With port 0, the system
     * chooses a free one for the first address.
     */
    listen: async (port: number, address: string): Promise<number> => {
      const first = app.server.address() as AddressInfo | null
      if (first === null) {
        await app.listen({ port, host: address })
        app.server.on('error', listening.acceptFailed)
      } else further.push(await openFurther(app, port || first.port, address, listening))
      return (app.server.address() as AddressInfo).port
    },
    /**
     * Accepts no more connections; those that are open are served. A closing server destroys connections that have not
     * sent a request yet, so a process that another one replaces calls this some time before it closes.
     */
    stopListening: (): void => {
      Server.prototype.close.call(app.server)
      closeFurther()
    },
  }
}
