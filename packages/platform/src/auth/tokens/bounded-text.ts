/** The most that is read of the metadata and the keys of an issuer. */
export const maxBytes = 1024 * 1024

/** Returns the text. Throws if it is not UTF-8. `name` is what it is called in the error. */
export const decodeText = (name: string, bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error(`${name} is not UTF-8 text`)
  }
}

/** Returns the text of the chunks. Throws as soon as there is more than a MiB of them. */
const readText = async (name: string, chunks: AsyncIterable<Uint8Array>): Promise<string> => {
  const read: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > maxBytes) throw new Error(`${name} is larger than ${maxBytes} bytes`)
    read.push(chunk)
  }
  return decodeText(name, Buffer.concat(read, length))
}

type FetchOptions = Readonly<{ allowHttp: boolean; signal: AbortSignal }>

/** The URL for logs and errors: its query may contain a key. */
export const withoutQuery = (url: string): string => url.replace(/\?.*$/s, '')

/** Fetches a text of at most a MiB. Redirects are not followed: they could lead to http, or to a host that nobody has named. */
export const fetchText = async (url: string, { allowHttp, signal }: FetchOptions): Promise<string> => {
  const name = withoutQuery(url)
  const protocol = URL.parse(url)?.protocol
  if (protocol !== 'https:' && !(allowHttp && protocol === 'http:'))
    throw new Error(`${name} is not an https URL`)
  // A connection that is kept may be one that the server has just closed.
  const headers = { accept: 'application/json, application/jwk-set+json', connection: 'close' }
  const response = await fetch(url, { redirect: 'manual', signal, headers })
  if (response.status !== 200) {
    await response.body?.cancel()
    const hint = response.headers.has('location') ? ', and redirects are not followed' : ''
    throw new Error(`${name} responds with status ${response.status}${hint}`)
  }
  return response.body === null ? '' : readText(name, response.body)
}
