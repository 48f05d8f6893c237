import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'

/** Sends a request, with `body` as JSON if given, and reads the response. */
export const request = async (
  method: string,
  url: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
) => {
  const response = await fetch(url, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  })
  const text = await response.text()
  // A cache may answer 304 with the type of the body that it leaves out.
  const isJson = text !== '' && /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** Sends a GET with another `Host` than that of the URL, which `fetch` does not allow. */
export const requestWithHost = async (url: string, host: string): Promise<Readonly<{ status: number }>> => {
  const sent = get(url, { headers: { host }, agent: false, signal: AbortSignal.timeout(20_000) })
  const [response]: IncomingMessage[] = await once(sent, 'response')
  response?.resume()
  return { status: response?.statusCode ?? 0 }
}
