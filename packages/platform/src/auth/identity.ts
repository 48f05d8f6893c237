import type { Principal } from '@shop/kernel/principal.ts'
import type { Dependency } from '../health/health.ts'
import type { Job } from '../job.ts'

/**
 * Returns the caller. `authorization` is the header (HTTP) or the metadata (gRPC) of that name. Throws or rejects with
 * `unauthenticated` if the credentials are not valid, or with `unavailable` if they cannot be checked now. Returns no promise if
 * the answer is known, because most requests repeat credentials.
 */
export type Identify = (authorization: string | undefined) => Principal | Promise<Principal>

/** How a service finds out who its callers are. */
export type Identity = Readonly<{
  identify: Identify
  jobs: readonly Job[]
  dependencies: readonly Dependency[]
  /** The issuer of the tokens that the service accepts; undefined if it accepts none. */
  issuer?: string | undefined
  /** The audience that the tokens must have. */
  audience?: string | undefined
}>
