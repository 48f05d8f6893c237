import type { AppError } from '@shop/kernel/errors.ts'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { errors } from 'jose'
import { algorithms } from './keys.ts'

// Made once: an error that is made from a token could carry a part of it.
const refusals = {
  malformed: unauthenticated('the token is not a signed JWT'),
  algorithm: unauthenticated(`the token must be signed with one of ${algorithms.join(', ')}`),
  extension: unauthenticated('the token needs an extension that is not supported'),
  signature: unauthenticated('the signature of the token is not valid'),
  expired: unauthenticated('the token has expired'),
  claims: unauthenticated('the token has a claim that is not valid'),
} as const

/** For a token whose key is not among those of the issuer. */
export const unknownKey = unauthenticated(
  'the token is signed with a key that is not known; a new key of its issuer takes up to 30 seconds',
)

export const unsuitableSubject = unauthenticated('sub of the token must be text of 1 to 255 characters')

const claimRefusals: Readonly<Record<string, AppError>> = {
  iss: unauthenticated('the token is from another issuer'),
  aud: unauthenticated('the token is for another audience'),
  typ: unauthenticated('the token has another type (typ) than access tokens have'),
  nbf: unauthenticated('the token is not valid yet (nbf)'),
  exp: unauthenticated('the token must have an expiry time (exp)'),
  sub: unauthenticated('the token must have a subject (sub)'),
}

const codeRefusals: Readonly<Record<string, AppError>> = {
  [errors.JWSInvalid.code]: refusals.malformed,
  [errors.JWTInvalid.code]: refusals.malformed,
  [errors.JOSEAlgNotAllowed.code]: refusals.algorithm,
  [errors.JOSENotSupported.code]: refusals.extension,
  [errors.JWSSignatureVerificationFailed.code]: refusals.signature,
  [errors.JWKSNoMatchingKey.code]: unknownKey,
  [errors.JWTExpired.code]: refusals.expired,
}

/**
 * Returns the error for the caller, without anything of the token: the errors of jose have its claims, and so have their causes.
 * What is not an error of jose is a bug, and only its name is kept.
 */
export const refusalOf = (error: unknown): Error => {
  if (error instanceof errors.JWTClaimValidationFailed) return claimRefusals[error.claim] ?? refusals.claims
  if (error instanceof errors.JOSEError) return codeRefusals[error.code] ?? refusals.malformed
  return new Error(`a token could not be verified: ${error instanceof Error ? error.name : typeof error}`)
}
