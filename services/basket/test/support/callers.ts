import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { requestContext } from '@shop/platform/request-context.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { aProduct } from './baskets.ts'
import { openPorts } from './ports.ts'

/** Returns an HTTP/1.1 request as a string, with `body` as JSON if given. */
export const requestText = (method: string, url: string, body?: unknown): string => {
  const json = body === undefined ? '' : JSON.stringify(body)
  const type = body === undefined ? '' : 'Content-Type: application/json\r\n'
  return `${method} ${url} HTTP/1.1\r\nHost: shop\r\n${type}Content-Length: ${json.length}\r\n\r\n${json}`
}

/**
 * Opens the whole service on a port. Catalog look-ups and reads of baskets wait at a gate. When the gate
 * opens, they fail if the signal of their request is aborted, and otherwise continue.
 */
export const openGatedApp = async () => {
  const stack = new AsyncDisposableStack()
  const gateReached = Promise.withResolvers<void>()
  const { promise: gateOpened, resolve: openGate } = Promise.withResolvers<void>()
  const gated = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
    gateReached.resolve()
    await gateOpened
    requestContext.getStore()?.signal?.throwIfAborted()
    return work()
  }
  const { ports } = stack.use(await openPorts((id) => gated(() => aProduct({ id }))))
  const baskets = { ...ports.baskets, find: (userId: string) => gated(() => ports.baskets.find(userId)) }
  const { logger, lines } = recordingLogger()
  const { http } = stack.use(await createApp({ ports: { ...ports, baskets }, dependencies: [] }, logger))
  const address = new URL(await http.listen({ host: '127.0.0.1', port: 0 }))
  return {
    lines,
    /** The repository without the gate. */
    baskets: ports.baskets,
    /** Resolves when the first look-up or read waits at the gate. */
    gateReached: gateReached.promise,
    openGate,
    /** Opens a connection, and returns both sockets. The client still reads after it has ended its side. */
    connect: async (): Promise<Readonly<{ client: Socket; server: Socket }>> => {
      const accepted = once(http.server, 'connection')
      const client = connect({ host: address.hostname, port: Number(address.port), allowHalfOpen: true })
      const [server]: Socket[] = await accepted
      if (server === undefined) throw new Error('no connection')
      return { client, server }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

export type GatedApp = Awaited<ReturnType<typeof openGatedApp>>
