import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { isLocalHost } from '@shop/platform/config/local-host.ts'
import { listenOn } from '@shop/platform/listen.ts'
import { issuerUrl } from './clients.ts'
import { createProvider } from './provider.ts'

const limits = { requestTimeout: 5_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 }
const maxConnections = 100

/** Pages of other origins must not reach the issuer under a name of their own (DNS rebinding). */
const onlyLocalNames =
  (next: RequestListener): RequestListener =>
  (request, response) => {
    const host = request.headers.host?.replace(/:\d*$/, '')
    if (host !== undefined && isLocalHost(host)) next(request, response)
    else response.writeHead(403).end()
  }

const listen = async (handler: RequestListener, port: number, address: string): Promise<Server> => {
  const server = createServer(limits, handler)
  server.maxConnections = maxConnections
  await once(server.listen(port, address), 'listening')
  return server
}

/** Starts the issuer on the loopback addresses of this machine. Its keys and what it remembers are in memory. */
export const startIssuer = async (port: number) => {
  const handler = onlyLocalNames(createProvider(issuerUrl(port)).callback())
  const servers = await listenOn('localhost', (address) => listen(handler, port, address))
  return {
    url: issuerUrl(port),
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.close()
        server.closeAllConnections()
      }
    },
  }
}
