import { once } from 'node:events'
import { type AddressInfo, createServer, Server, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

const urlOf = ({ address, port }: AddressInfo): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}`

type OnError = (error: Error) => void

/** Listens on one more address. The connections go to the HTTP server, as if it had accepted them. */
const openFurther = async (app: FastifyInstance, port: number, host: string, acceptFailed: OnError) => {
  // The options with which `node:http` creates its own listener.
  const further = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) =>
    app.server.emit('connection', socket),
  ).listen({ port, host })
  await once(further, 'listening')
  further.on('error', acceptFailed)
  app.log.info(`Server listening at ${urlOf(further.address() as AddressInfo)}`)
  return { server: further, closed: new Promise((resolve) => further.once('close', resolve)) }
}

/**
 * Lets the HTTP server listen on several addresses. All connections belong to the one server, so that its limits, events
 * and drain apply to all of them. `acceptFailed` is called when a connection cannot be accepted.
 */
export const createListeners = (app: FastifyInstance, acceptFailed: OnError) => {
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
        app.server.on('error', acceptFailed)
      } else further.push(await openFurther(app, port || first.port, address, acceptFailed))
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
