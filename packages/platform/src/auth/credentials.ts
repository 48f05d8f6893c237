import { unauthenticated } from '@shop/kernel/policy.ts'

/** What a client sent to prove who it is. */
export type Credentials = Readonly<{ kind: 'api_key' | 'token'; value: string }>

const maxLength = 8 * 1024

/** API keys begin with this. Tokens do not: JWTs begin with `ey`. */
export const keyPrefix = 'shop_'

/** A scheme in any case, spaces, and characters of `b64token` (RFC 6750 §2.1). */
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i

// Made once: an error of its own for each request of a flood would capture its stack.
const tooLong = unauthenticated(`Authorization must have at most ${maxLength} characters`)
const otherScheme = unauthenticated('Authorization must have the scheme Bearer: Bearer TOKEN or Bearer KEY')
const malformed = unauthenticated(
  'Authorization must be Bearer, a space, and one token or API key of A-Z a-z 0-9 . _ ~ + / - with = only at its end',
)

/** Reads the value of `Authorization`. Throws `unauthenticated` if it is anything but one token or API key. */
export const parseCredentials = (authorization: string): Credentials => {
  if (authorization.length > maxLength) throw tooLong
  const value = bearer.exec(authorization)?.[1]
  if (value === undefined) throw /^bearer( |$)/i.test(authorization) ? malformed : otherScheme
  return { kind: value.startsWith(keyPrefix) ? 'api_key' : 'token', value }
}
