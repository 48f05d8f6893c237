import { fileReader } from '../../file-reader.ts'
import { decodeText, fetchText, maxBytes, withoutQuery } from './bounded-text.ts'
import type { TokenConfig } from './config.ts'
import { parseObject } from './json.ts'

/** Where the JSON Web Key Set of an issuer comes from. */
export type KeySource = Readonly<{
  /** A URL or path, for the log. */
  name: string
  /** Whether the source is a local file, which may be read often. */
  isFile: boolean
  load: (signal: AbortSignal) => Promise<string>
}>

type Fetch = (url: string) => Promise<string>

/** Where an issuer may publish its metadata: RFC 8414 §3.1 and OpenID Connect Discovery §4.1. */
const metadataUrls = (issuer: string): readonly string[] => {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ]
}

/** Returns the URL of the keys that the metadata names. Metadata of another issuer must not be used (RFC 8414 §3.3). */
const keysUrl = (url: string, issuer: string, text: string): string => {
  const metadata = parseObject(url, text)
  if (metadata.issuer !== issuer) throw new Error(`${url} is the metadata of another issuer`)
  if (typeof metadata.jwks_uri !== 'string') throw new Error(`${url} has no jwks_uri`)
  return metadata.jwks_uri
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const discoverKeysUrl = async (issuer: string, fetchUrl: Fetch, signal: AbortSignal): Promise<string> => {
  const problems: string[] = []
  for (const url of metadataUrls(issuer)) {
    try {
      return keysUrl(url, issuer, await fetchUrl(url))
    } catch (error) {
      // Connections that fail do so in the same way at the second URL.
      if (signal.aborted || error instanceof TypeError) throw error
      problems.push(messageOf(error))
    }
  }
  throw new Error(problems.join('; '))
}

const fileSource = (path: string): KeySource => {
  const variable = 'AUTH_JWKS_FILE'
  const read = fileReader(path, maxBytes)
  return {
    name: path,
    isFile: true,
    load: async () => {
      const content = await read()
      if ('problem' in content) throw new Error(`${variable} ${content.problem}`)
      return decodeText(variable, content.bytes)
    },
  }
}

export const keySource = ({ issuer, keys, allowHttp }: TokenConfig): KeySource => {
  if (keys.kind === 'file') return fileSource(keys.path)
  if (keys.kind === 'url')
    return {
      name: withoutQuery(keys.url),
      isFile: false,
      load: (signal) => fetchText(keys.url, { allowHttp, signal }),
    }
  return {
    name: issuer,
    isFile: false,
    load: async (signal) => {
      const fetchUrl = (url: string) => fetchText(url, { allowHttp, signal })
      return await fetchUrl(await discoverKeysUrl(issuer, fetchUrl, signal))
    },
  }
}
