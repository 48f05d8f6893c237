import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

type Answer = Readonly<{ status: number; body: ReturnType<typeof JSON.parse> }>

/**
 * A client with one connection, which it keeps as long as the server lets it. Unlike `fetch` it never sends anything
 * twice: a connection that breaks under a request is an error.
 */
export const openConnection = () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return {
    send: async (method: string, url: string, body?: unknown): Promise<Answer> => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request(url, { agent, method, headers, timeout: 20_000 }, resolve)
          .on('error', reject)
          .on('timeout', () => reject(new Error(`${method} ${url} was not answered`)))
          .end(body === undefined ? undefined : JSON.stringify(body))
      })
      const answer = await text(response)
      return { status: response.statusCode ?? 0, body: answer === '' ? undefined : JSON.parse(answer) }
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

export type Connection = ReturnType<typeof openConnection>
