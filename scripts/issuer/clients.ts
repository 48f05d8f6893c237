/**
 * Who may get tokens of the issuer for trying. Everybody can read these secrets: the issuer listens on loopback only, and is
 * not for production. The subject of a token is the id of its client.
 */
export const clients = {
  ann: { secret: 'ann-secret', scope: '' },
  ben: { secret: 'ben-secret', scope: '' },
  editor: { secret: 'editor-secret', scope: 'products:write' },
  office: { secret: 'office-secret', scope: 'baskets:any products:write stock:hold' },
} as const

export type ClientName = keyof typeof clients

export const clientNames = Object.keys(clients) as ClientName[]

/** What tokens have in `aud`: the default of `AUTH_AUDIENCE` in development. */
export const audience = 'shop'

/** The default of `AUTH_ISSUER` in development has this port. */
export const defaultPort = 9_090

export const issuerUrl = (port: number): string => `http://localhost:${port}`
