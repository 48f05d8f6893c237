import { createHttpServer, type HttpServerOptions } from '../server.ts'
import { createOperationsServer } from './operations-server.ts'

/**
 * Creates the HTTP server of a service, and with `config.operationsPort` a second one on that port, for health and metrics. Both
 * listen on the same addresses and drain together, but `app.close()` closes only the first: probes and scrapes are answered
 * until `closeOperations` is called, after everything else has been closed.
 */
export const createHttpServers = async (options: HttpServerOptions) => {
  const server = await createHttpServer(options)
  const operationsPort = options.config?.operationsPort
  if (operationsPort === undefined) return { ...server, closeOperations: async (): Promise<void> => {} }
  const operations = await createOperationsServer(options)
  return {
    ...server,
    /** Operations come last: an instance that is ready listens on its public port. */
    listen: async (port: number, address: string): Promise<number> => {
      const publicPort = await server.listen(port, address)
      await operations.listen(operationsPort, address)
      return publicPort
    },
    beginDrain: (): void => {
      server.beginDrain()
      operations.beginDrain()
    },
    stopListening: (): void => {
      server.stopListening()
      operations.stopListening()
    },
    closeOperations: operations.close,
  }
}
