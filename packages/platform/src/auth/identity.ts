import type { Principal } from '@shop/kernel/principal.ts'
import type { Dependency } from '../health/health.ts'
import type { Job } from '../job.ts'
import type { Client } from '../limits/client.ts'

/**
 * Returns the caller. `authorization` is the header (HTTP) or the metadata (gRPC) of that name, and `client` is whose failures
 * count. Rejects with `unauthenticated` if the credentials are not valid, with `rate_limited` if the client has failed too often, or
 * with `unavailable` if they cannot be checked now. Returns no promise if the answer is known, because most requests repeat
 * credentials.
 */
export type Identify = (authorization: string | undefined, client?: Client) => Principal | Promise<Principal>

/** Finds the caller by credentials. Rejects or throws like `Identify`. */
export type Check = () => Principal | Promise<Principal>

/** Credentials that are not known, and must be checked. */
export type Unverified<Checked extends Check = Check> = Readonly<{
  check: Checked
  /** Whether the last check of the same credentials has accepted them. */
  wasValid: boolean
}>

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
