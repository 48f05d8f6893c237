import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { Provider } from 'oidc-provider'
import { audience, type ClientName, clientNames, clients } from './clients.ts'

const algorithm = 'RS256'
const tokenSeconds = 3_600

/** A resource indicator (RFC 8707) must be a URI. Requests need not name it. */
const resource = `urn:${audience}`

const scopes = [...new Set(Object.values(clients).flatMap(({ scope }) => scope.split(' ')))].filter(Boolean)

const signingKey = () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: algorithm, use: 'sig' }
}

/** What the client may have of the audience: a client without scopes could get all of them otherwise. */
const resourceServerFor = (_context: unknown, _resource: string, { clientId }: { clientId: ClientName }) => ({
  audience,
  scope: clients[clientId].scope,
  accessTokenFormat: 'jwt',
  accessTokenTTL: tokenSeconds,
  jwt: { sign: { alg: algorithm } },
})

const registrationOf = (id: ClientName) => {
  const { secret, scope } = clients[id]
  return {
    client_id: id,
    client_secret: secret,
    scope: scope === '' ? undefined : scope,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }
}

/** Creates an issuer with a new key, which grants access tokens (RFC 9068) by client credentials, and nothing else. */
export const createProvider = (issuer: string): Provider =>
  new Provider(issuer, {
    clients: clientNames.map(registrationOf),
    clientAuthMethods: ['client_secret_basic'],
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    jwks: { keys: [signingKey()] },
    responseTypes: [],
    ttl: { ClientCredentials: tokenSeconds },
    scopes,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo: resourceServerFor,
      },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
  })
