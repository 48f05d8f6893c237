import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { requestContext } from '@shop/platform/request-context.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { aProduct } from './baskets.ts'
import { openPorts } from './ports.ts'

/** Text of a request over a connection, with `body` as JSON when there is one. */
export const requestText = (method: string, url: string, body?: unknown): string => {
  const json = body === undefined ? '' : JSON.stringify(body)
  const type = body === undefined ? '' : 'Content-Type: application/json\r\n'
  return `${method} ${url} HTTP/1.1\r\nHost: shop\r\n${type}Content-Length: ${json.length}\r\n\r\n${json}`
}

/**
 * The whole service on a port, whose catalog and reads of baskets wait until they are let go on, and give up then
 * when they can see that their caller has gone.
 */
export const openHeldApp = async () => {
  const stack = new AsyncDisposableStack()
  const asked = Promise.withResolvers<void>()
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const held = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
    asked.resolve()
    await released
    requestContext.getStore()?.signal?.throwIfAborted()
    return work()
  }
  const { ports } = stack.use(await openPorts((id) => held(() => aProduct({ id }))))
  const baskets = { ...ports.baskets, find: (userId: string) => held(() => ports.baskets.find(userId)) }
  const { logger, lines } = recordingLogger()
  const { http } = stack.use(await createApp({ ports: { ...ports, baskets }, dependencies: [] }, logger))
  const address = new URL(await http.listen({ host: '127.0.0.1', port: 0 }))
  return {
    lines,
    /** The baskets as they are, without a wait. */
    baskets: ports.baskets,
    asked: asked.promise,
    release,
    /** A connection whose client can listen on when it has said all: its end, and that of the service. */
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

export type HeldApp = Awaited<ReturnType<typeof openHeldApp>>
