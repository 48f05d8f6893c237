/** Where the public keys of the issuer come from. */
export type KeyLocation = Readonly<
  /** The issuer's metadata (RFC 8414, or OpenID Connect Discovery) names the URL of the keys. */
  | { kind: 'issuer' }
  /** A JSON Web Key Set (RFC 7517) at a URL. */
  | { kind: 'url'; url: string }
  /** A JSON Web Key Set in a file, which is read again when it changes. */
  | { kind: 'file'; path: string }
>

/** Which tokens a service accepts. */
export type TokenConfig = Readonly<{
  /** The URL of the issuer, exactly as the tokens have it in `iss`. */
  issuer: string
  /** What the tokens must have in `aud`, alone or among others. */
  audience: string
  /** What the header of the tokens must have in `typ`, such as `at+jwt`. `any` switches the check off. */
  typ: string
  keys: KeyLocation
  /** Whether keys may be fetched over http: only for development. */
  allowHttp: boolean
}>
