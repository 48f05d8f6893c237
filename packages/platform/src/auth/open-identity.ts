import type { AppError } from '@shop/kernel/errors.ts'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import type { Rates } from '../limits/rates/rates.ts'
import type { Logger } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { openApiKeys } from './api-keys.ts'
import type { AuthConfig } from './config.ts'
import { type Credentials, parseCredentials } from './credentials.ts'
import { limitFailures } from './failed-authentications.ts'
import type { Check, Identify, Identity, Unverified } from './identity.ts'
import { authenticationCounter, tokenKeysAge } from './metrics.ts'
import type { TokenConfig } from './tokens/config.ts'
import type { Tokens } from './tokens/tokens.ts'

type Observers = Readonly<{
  logger: Logger
  metrics: Pick<Metrics, 'registry' | 'refusals'>
  /** What each client may fail. */
  rates: Pick<Rates, 'limit'>
}>

const noKeys = unauthenticated('this service accepts no API keys')
const noTokens = unauthenticated('this service accepts API keys only, which begin with shop_, and no tokens')

/** Returns the caller if it is known by these credentials, otherwise the check. */
type Find = (credentials: Credentials) => Principal | Unverified

const notAccepted = (error: AppError): Unverified => ({
  check: () => {
    throw error
  },
  wasValid: false,
})

/** Returns the credentials, or the error if there are none. */
const credentialsIn = (authorization: string): Credentials | Readonly<{ error: unknown }> => {
  try {
    return parseCredentials(authorization)
  } catch (error) {
    return { error }
  }
}

/** Counts the outcome of each check. Only checks of credentials that are not known pass through `limit`. */
const createIdentify = (
  find: Find,
  limit: ReturnType<typeof limitFailures>,
  { registry }: Observers['metrics'],
): Identify => {
  const count = authenticationCounter(registry)
  const malformed = (error: unknown): Unverified => ({
    check: () => {
      count.failed('malformed', error)
      throw error
    },
    wasValid: false,
  })
  const counted = (kind: Credentials['kind'], check: Check) => async (): Promise<Principal> => {
    try {
      const principal = await check()
      count.accepted(kind)
      return principal
    } catch (error) {
      count.failed(kind, error)
      throw error
    }
  }
  return (authorization, client) => {
    if (authorization === undefined) return anonymous
    const credentials = credentialsIn(authorization)
    if ('error' in credentials) return limit(malformed(credentials.error), client)
    const { kind } = credentials
    const found = find(credentials)
    if ('check' in found) return limit({ ...found, check: counted(kind, found.check) }, client)
    count.accepted(kind)
    return found
  }
}

/** The library is loaded only if it is needed: that takes 70 ms of CPU time. */
const openTokensOf = async (config: TokenConfig, { logger, metrics }: Observers): Promise<Tokens> => {
  const { openTokens } = await import('./tokens/open-tokens.ts')
  return openTokens(config, { logger, onReload: tokenKeysAge(metrics.registry) })
}

/** Opens what the configuration names to find out who callers are; undefined if the service does not ask. */
export const openIdentity = async (
  config: AuthConfig,
  observers: Observers,
): Promise<Identity | undefined> => {
  if (config.mode === 'off') return undefined
  const { apiKeysFile } = config
  const keys = apiKeysFile === undefined ? undefined : openApiKeys(apiKeysFile, observers.logger)
  const tokens = config.mode === 'jwt' ? await openTokensOf(config.tokens, observers) : undefined
  const find: Find = ({ kind, value }) => {
    const known = kind === 'token' ? tokens : keys
    return known?.find(value) ?? notAccepted(kind === 'token' ? noTokens : noKeys)
  }
  return {
    identify: createIdentify(find, limitFailures(observers.rates, observers.metrics), observers.metrics),
    jobs: [...(keys?.jobs ?? []), ...(tokens?.jobs ?? [])],
    dependencies: [...(keys?.dependencies ?? []), ...(tokens?.dependencies ?? [])],
    ...(config.mode === 'jwt' && { issuer: config.tokens.issuer, audience: config.tokens.audience }),
  }
}
