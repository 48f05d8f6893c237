import type { AuthConfig } from './auth/config.ts'
import type { Identity } from './auth/identity.ts'
import { openIdentity } from './auth/open-identity.ts'
import { createLimits, defaultLimits, type LimitsConfig } from './limits/limits.ts'
import type { ShareUsage } from './limits/rates/policy.ts'
import { createRates } from './limits/rates/rates.ts'
import { createRequestRates, type RatesConfig } from './limits/rates/request-rates.ts'
import type { Logger } from './logging/logger.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { TlsConfig } from './tls/config.ts'
import { openTls } from './tls/open-tls.ts'

/** How a service knows its callers, and how much they may use. */
export type AccessConfig = Readonly<{
  http?: Readonly<{ trustProxy?: string }>
  limits?: LimitsConfig
  /** How much each caller may use in a minute. Without it, no caller is limited. */
  rates?: RatesConfig
  /** The processes of this instance. */
  workers?: number
  /** How the callers are known. Without it, all callers may do everything. */
  auth?: AuthConfig
  /** Replaces what `auth` describes. */
  identity?: Identity
  tls?: TlsConfig | undefined
}>

type Observers = Readonly<{ logger: Logger; metrics: Metrics }>

/** Opens what all servers of a service share: who their callers are, how much they may use, and TLS. Disposes of the rates. */
export const openAccessControl = async (
  config: AccessConfig,
  shareUsage: ShareUsage | undefined,
  observers: Observers,
) => {
  const { metrics } = observers
  const rates = createRates({ processes: config.workers ?? 1, shareUsage, ...observers })
  const { auth, identity = auth && (await openIdentity(auth, { ...observers, rates })) } = config
  return {
    identity,
    rates,
    requestRates: createRequestRates(rates, metrics, config.rates),
    limits: createLimits(config.limits ?? defaultLimits, config.http?.trustProxy ?? 'off', metrics),
    tls: openTls(config.tls, observers),
    [Symbol.dispose]: (): void => rates[Symbol.dispose](),
  }
}
