import type { Metadata } from '@grpc/grpc-js'
import { unauthenticated } from '@shop/kernel/policy.ts'

/** The error of a method that only callers with credentials may call. */
export const withoutCredentials = unauthenticated('this needs credentials')

const repeated = unauthenticated('the call must not have more than one authorization')

/**
 * Returns the credentials in the metadata, and removes them, so that nothing else of the call can log or pass them on. Throws
 * `unauthenticated` if there are several.
 */
export const takeCredentials = (metadata: Metadata): string | undefined => {
  const values = metadata.get('authorization')
  if (values.length === 0) return undefined
  metadata.remove('authorization')
  if (values.length > 1) throw repeated
  return String(values[0])
}
