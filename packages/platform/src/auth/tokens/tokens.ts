import type { Clock } from '@shop/kernel/clock.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Dependency } from '../../health/health.ts'
import type { Job } from '../../job.ts'
import type { Logger } from '../../logging/logger.ts'
import type { Unverified } from '../identity.ts'

export type Clocks = Readonly<{
  /** Tokens expire by it. */
  now: Clock
  /** Milliseconds that never step back. The age of keys and of verdicts is measured by it. */
  monotonic: () => number
}>

export type TokenOptions = Readonly<{
  logger: Logger
  clocks?: Clocks
  /** Called after each attempt to load the keys. */
  onReload?: (outcome: 'ok' | 'failed') => void
}>

export type Tokens = Readonly<{
  /**
   * Returns the user of a token if the verdict is remembered, otherwise the check. It rejects with `unauthenticated` if the token
   * breaks a rule, and with `unavailable` while it cannot be checked. `parseCredentials` limits the length of tokens.
   */
  find: (token: string) => Principal | Unverified<() => Promise<Principal>>
  jobs: readonly Job[]
  dependencies: readonly Dependency[]
}>
