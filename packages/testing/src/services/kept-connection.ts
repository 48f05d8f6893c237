import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

type Response = Readonly<{ status: number; body: ReturnType<typeof JSON.parse> }>

export type Headers = Readonly<Record<string, string>>

/**
 * Creates a client with a single keep-alive connection, which sends the headers with each request. Unlike `fetch`, it never
 * retries a request: a connection that breaks during a request is an error.
 */
export const openConnection = (always: Headers = {}) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return {
    send: async (method: string, url: string, body?: unknown): Promise<Response> => {
      const headers = { ...always, ...(body !== undefined && { 'content-type': 'application/json' }) }
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request(url, { agent, method, headers, timeout: 20_000 }, resolve)
          .on('error', reject)
          .on('timeout', () => reject(new Error(`${method} ${url} timed out`)))
          .end(body === undefined ? undefined : JSON.stringify(body))
      })
      const json = await text(response)
      return { status: response.statusCode ?? 0, body: json === '' ? undefined : JSON.parse(json) }
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

export type Connection = ReturnType<typeof openConnection>
