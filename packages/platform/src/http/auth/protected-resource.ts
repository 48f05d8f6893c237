import type { TLSSocket } from 'node:tls'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Identity } from '../../auth/identity.ts'
import type { TrustedPeers } from '../edge/trusted-peers.ts'
import { type Documentation, scopesOf } from '../openapi.ts'

/** What clients learn about the service and the issuer of its tokens. */
export type ProtectedResource = Readonly<{
  documentation: Documentation
  identity?: Pick<Identity, 'issuer' | 'audience'> | undefined
}>

export const metadataPath = '/.well-known/oauth-protected-resource'

const schemeOf = ({ headers, socket }: FastifyRequest['raw'], isTrusted: TrustedPeers): string => {
  const forwarded = headers['x-forwarded-proto']
  if (isTrusted(socket) && (forwarded === 'https' || forwarded === 'http')) return forwarded
  return (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
}

/**
 * The origin that the client has sent the request to; undefined if it has not named a host. Only a trusted proxy may say by
 * `X-Forwarded-Proto` that it was HTTPS. Proxies must pass `Host` on: `X-Forwarded-Host` is not read.
 */
export const originOf = ({ raw }: FastifyRequest, isTrusted: TrustedPeers): string | undefined => {
  const { host } = raw.headers
  return host === undefined ? undefined : URL.parse(`${schemeOf(raw, isTrusted)}://${host}`)?.origin
}

const isUrl = (text: string): boolean => /^https?:\/\//.test(text) && URL.canParse(text)

type Options = Readonly<{ hasDocs: boolean; isTrusted: TrustedPeers }>

/** Serves the metadata of the resource server (RFC 9728) to everybody, if the service accepts tokens of an issuer. */
export const serveResourceMetadata = (
  app: FastifyInstance,
  { documentation, identity = {} }: ProtectedResource,
  { hasDocs, isTrusted }: Options,
): void => {
  const { issuer, audience } = identity
  if (issuer === undefined) return
  const fixed = {
    authorization_servers: [issuer],
    scopes_supported: scopesOf(documentation),
    bearer_methods_supported: ['header'],
    resource_name: documentation.title,
  }
  app.get(
    metadataPath,
    { schema: { hide: true }, config: { isOpen: true, cacheControl: 'no-cache' } },
    (request, reply) => {
      const origin = originOf(request, isTrusted)
      const resource = audience !== undefined && isUrl(audience) ? audience : origin
      // Without a host (HTTP/1.0), nobody knows the name of the resource.
      if (resource === undefined) return reply.callNotFound()
      const documented = hasDocs && origin !== undefined && { resource_documentation: `${origin}/docs` }
      return reply.send({ resource, ...fixed, ...documented })
    },
  )
}
