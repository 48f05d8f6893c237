import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { TrustedPeers } from '../edge/trusted-peers.ts'
import type { Problem } from '../problem.ts'
import { metadataPath, originOf, type ProtectedResource } from './protected-resource.ts'

const key = Symbol('challenge')

type Settings = Readonly<{
  /** What the credentials are for. */
  realm: string
  /** Whether the server says at `metadataPath` who issues tokens. */
  hasMetadata: boolean
  isTrusted: TrustedPeers
}>

declare module 'fastify' {
  interface FastifyInstance {
    [key]: Settings
  }
}

/** Sets what the challenges of the server say. */
export const decorateWithChallenge = (
  app: FastifyInstance,
  { documentation, identity }: ProtectedResource,
  isTrusted: TrustedPeers,
): void => {
  const settings = { realm: documentation.title, hasMetadata: identity?.issuer !== undefined, isTrusted }
  app.decorate(key, settings)
}

type Parameters = Readonly<Record<string, string | undefined>>

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

const bearer = (parameters: Parameters): string =>
  `Bearer ${Object.entries(parameters)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quoted(value)}`]))
    .join(', ')}`

/** The error of RFC 6750 §3.1; undefined if credentials are merely missing. Null if no credentials would help. */
const errorOf = ({ status, required_scope: scope }: Problem, { headers }: FastifyRequest) => {
  if (status === 401) return headers.authorization === undefined ? undefined : 'invalid_token'
  return status === 403 && scope !== undefined ? 'insufficient_scope' : null
}

/** The value of `WWW-Authenticate` for the response (RFC 6750 §3, RFC 9728 §5.1); undefined if it has none. */
export const challengeOf = (problem: Problem, request: FastifyRequest): string | undefined => {
  const error = errorOf(problem, request)
  if (error === null) return undefined
  const { realm, hasMetadata, isTrusted } = request.server[key]
  const origin = hasMetadata ? originOf(request, isTrusted) : undefined
  const { required_scope: scope } = problem
  return bearer({
    realm,
    error,
    scope: typeof scope === 'string' ? scope : undefined,
    resource_metadata: origin && origin + metadataPath,
  })
}
