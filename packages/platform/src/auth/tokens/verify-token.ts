import type { Clock } from '@shop/kernel/clock.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { TokenConfig } from './config.ts'
import { algorithms, type ChooseKey } from './keys.ts'
import { scopesOf } from './scopes.ts'
import { refusalOf, unknownKey, unsuitableSubject } from './token-errors.ts'

const leewaySeconds = 30
const maxSubjectLength = 255

/** How many keys are tried for a token that names none. Each takes some 100 to 300 µs. */
const maxKeysTried = 8

const verifyWithEach = async (
  token: string,
  keys: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
): Promise<JWTPayload> => {
  let tried = 0
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
    }
    tried += 1
    if (tried === maxKeysTried) break
  }
  throw new errors.JWSSignatureVerificationFailed()
}

const claimsOf = async (token: string, choose: ChooseKey, options: JWTVerifyOptions): Promise<JWTPayload> => {
  try {
    return (await jwtVerify(token, choose, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    return await verifyWithEach(token, error, options)
  }
}

/** A token that names no key may be signed with a new one. */
const mayHaveNewKey = (token: string, error: unknown): boolean =>
  error instanceof errors.JWSSignatureVerificationFailed && decodeProtectedHeader(token).kid === undefined

export type VerifiedToken = Readonly<{ principal: Principal; expiresAt: number }>

/**
 * Creates the verification of tokens (RFC 7519, RFC 8725, RFC 9068). It rejects with `unauthenticated`; with `unknownKey` if the
 * token may be signed with a key that is not among those of `choose`. `expiresAt` is in milliseconds since the epoch.
 */
export const createTokenVerification = ({ issuer, audience, typ }: TokenConfig, now: Clock) => {
  const rules: JWTVerifyOptions = {
    issuer,
    audience,
    algorithms: [...algorithms],
    requiredClaims: ['exp', 'sub'],
    clockTolerance: leewaySeconds,
    ...(typ !== 'any' && { typ }),
  }
  return async (token: string, choose: ChooseKey): Promise<VerifiedToken> => {
    let claims: JWTPayload
    try {
      claims = await claimsOf(token, choose, { ...rules, currentDate: now() })
    } catch (error) {
      throw mayHaveNewKey(token, error) ? unknownKey : refusalOf(error)
    }
    const { sub: subject, exp = 0 } = claims
    if (typeof subject !== 'string' || subject === '' || subject.length > maxSubjectLength)
      throw unsuitableSubject
    return { principal: { kind: 'user', subject, scopes: scopesOf(claims) }, expiresAt: exp * 1_000 }
  }
}
