import type { Metadata } from '@grpc/grpc-js'
import { unauthenticated } from '@shop/kernel/policy.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Identify } from '../../auth/identity.ts'
import type { Client } from '../../limits/client.ts'

/** The error of a method that only callers with credentials may call. */
const withoutCredentials = unauthenticated('this needs credentials')

/**
 * Returns the credentials in the metadata, and removes them, so that nothing else of the call can log or pass them on. There are
 * never several: of repeated authorization headers, HTTP/2 of Node.js keeps the first.
 */
const takeCredentials = (metadata: Metadata): string | undefined => {
  const [value] = metadata.get('authorization')
  metadata.remove('authorization')
  return value?.toString()
}

type IdentifiedCall = {
  readonly client: Client
  readonly method: Readonly<{ hasRules: boolean }>
  principal: Principal
  /** Ends the call with the error. */
  refuse: (error: unknown) => void
}

/** Finds the caller of the call by its metadata. Resolves to false if the call was refused. */
export const identifyCall = (
  identify: Identify,
  metadata: Metadata,
  call: IdentifiedCall,
): boolean | Promise<boolean> => {
  const refuse = (error: unknown): boolean => {
    call.refuse(error)
    return false
  }
  const accept = (principal: Principal): boolean => {
    if (principal.kind === 'anonymous' && !call.method.hasRules) return refuse(withoutCredentials)
    call.principal = principal
    return true
  }
  try {
    const found = identify(takeCredentials(metadata), call.client)
    return found instanceof Promise ? found.then(accept, refuse) : accept(found)
  } catch (error) {
    return refuse(error)
  }
}
