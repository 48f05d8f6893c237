import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '@shop/kernel/clock.ts'
import { createSigningKey, type SigningKey } from './signing-key.ts'

/** How the issuer responds to a request for its keys. It sends headers of 200 before it hangs within a body. */
export type IssuerMode =
  | 'normal'
  | 'hanging'
  | 'hanging body'
  | 'failing'
  | 'large'
  | 'redirecting'
  | 'broken'

let rotations = 1

const largeBytes = 10 * 1024 * 1024

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Responds in each mode but the normal one. `elsewhere` is a URL that has the keys. */
const misbehave = (mode: Exclude<IssuerMode, 'normal'>, response: ServerResponse, elsewhere: string) => {
  if (mode === 'hanging') return
  if (mode === 'failing') return json(response, 500, {})
  if (mode === 'redirecting') return void response.writeHead(302, { location: elsewhere }).end()
  response.writeHead(200, { 'content-type': 'application/json' })
  if (mode === 'hanging body') response.write('{"keys":[')
  else if (mode === 'broken') response.end('{"keys": [{"kty": ')
  else response.end(JSON.stringify({ keys: [], padding: 'x'.repeat(largeBytes) }))
}

/** The paths of an issuer: RFC 8414 inserts before the path of its identifier, OpenID Connect Discovery appends to it. */
const pathsOf = (path: string) => {
  const base = path.replace(/\/$/, '')
  return {
    oauth: `/.well-known/oauth-authorization-server${base}`,
    openid: `${base}/.well-known/openid-configuration`,
    keys: `${base}/keys`,
    elsewhere: `${base}/keys-elsewhere`,
  }
}

type IssuerOptions = Readonly<{
  /** 0 takes a free one. */
  port?: number
  /** The path of the issuer's identifier, such as `/realms/shop`. */
  path?: string
  /** The audience of its tokens. */
  audience?: string
}>

type State = {
  mode: IssuerMode
  /** What it signs with, and publishes. Tokens are signed with the last. */
  keys: readonly SigningKey[]
  /** The documents with metadata that it has. */
  documents: readonly ('oauth' | 'openid')[]
  /** The issuer that its metadata names. */
  identifier: string
  /** The requests that it received. */
  readonly fetches: { keys: number; metadata: number }
}

const createIssuerServer = (state: State, paths: ReturnType<typeof pathsOf>, origin: () => string) =>
  createServer((request, response) => {
    const document = (['oauth', 'openid'] as const).find((name) => paths[name] === request.url)
    if (document !== undefined) {
      state.fetches.metadata += 1
      if (state.mode === 'hanging') return
      if (!state.documents.includes(document)) return json(response, 404, {})
      return json(response, 200, { issuer: state.identifier, jwks_uri: origin() + paths.keys })
    }
    if (request.url !== paths.keys && request.url !== paths.elsewhere) return json(response, 404, {})
    state.fetches.keys += 1
    if (state.mode !== 'normal' && request.url === paths.keys)
      return misbehave(state.mode, response, origin() + paths.elsewhere)
    json(response, 200, { keys: state.keys.map(({ jwk }) => jwk) })
  })

/** Claims or members of the header in place of the usual ones. `undefined` leaves one out. */
type Members = Readonly<Record<string, unknown>>

/**
 * Starts an issuer of tokens on the loopback address: metadata, keys, and tokens signed with them. It has no login: `sign` makes
 * the token of anybody.
 */
export const startIssuer = async ({ port = 0, path = '', audience = 'shop' }: IssuerOptions = {}) => {
  const paths = pathsOf(path)
  let origin = ''
  const state: State = {
    mode: 'normal',
    keys: [await createSigningKey({ kid: 'key-1' })],
    documents: ['oauth', 'openid'],
    identifier: '',
    fetches: { keys: 0, metadata: 0 },
  }
  const server = createIssuerServer(state, paths, () => origin)
  const start = async (): Promise<void> => {
    server.listen(origin === '' ? port : Number(new URL(origin).port), '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  await start()
  const url = origin + path
  state.identifier = url
  return {
    /** Its identifier: what its tokens have in `iss`. */
    url,
    keysUrl: origin + paths.keys,
    audience,
    state,
    start,
    stop,
    /** Signs a token that is valid for an hour, with the last key. */
    sign: (claims: Members = {}, header: Members = {}): Promise<string> => {
      const key = state.keys.at(-1)
      if (key === undefined) throw new Error('the issuer has no key')
      const now = Math.floor(systemClock().getTime() / 1_000)
      const usual = { iss: url, aud: audience, sub: 'user123', iat: now, exp: now + 3_600 }
      return key.sign({ ...usual, ...claims }, header)
    },
    /** Makes a new key the only one. */
    rotate: async (): Promise<void> => {
      state.keys = [await createSigningKey({ kid: `key-${++rotations}` })]
    },
    [Symbol.asyncDispose]: stop,
  }
}

export type Issuer = Awaited<ReturnType<typeof startIssuer>>
