import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import type { Logger } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { openApiKeys } from './api-keys.ts'
import type { AuthConfig } from './config.ts'
import { type Credentials, parseCredentials } from './credentials.ts'
import type { Identify, Identity } from './identity.ts'
import { authenticationCounter, tokenKeysAge } from './metrics.ts'
import type { TokenConfig } from './tokens/config.ts'
import type { Tokens } from './tokens/tokens.ts'

type Observers = Readonly<{ logger: Logger; metrics: Pick<Metrics, 'registry'> }>

const noKeys = unauthenticated('this service accepts no API keys')
const noTokens = unauthenticated('this service accepts API keys only, which begin with shop_, and no tokens')

type Verify = (credentials: Credentials) => Principal | Promise<Principal>

/** Counts the outcome of each check. */
const createIdentify = (verify: Verify, { registry }: Observers['metrics']): Identify => {
  const count = authenticationCounter(registry)
  const parse = (authorization: string): Credentials => {
    try {
      return parseCredentials(authorization)
    } catch (error) {
      count.failed('malformed', error)
      throw error
    }
  }
  return (authorization) => {
    if (authorization === undefined) return anonymous
    const credentials = parse(authorization)
    const { kind } = credentials
    const accept = (principal: Principal) => {
      count.accepted(kind)
      return principal
    }
    const fail = (error: unknown): never => {
      count.failed(kind, error)
      throw error
    }
    try {
      const found = verify(credentials)
      return found instanceof Promise ? found.then(accept, fail) : accept(found)
    } catch (error) {
      return fail(error)
    }
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
  const verify: Verify = ({ kind, value }) => {
    const verifier = kind === 'token' ? tokens : keys
    if (verifier === undefined) throw kind === 'token' ? noTokens : noKeys
    return verifier.verify(value)
  }
  return {
    identify: createIdentify(verify, observers.metrics),
    jobs: [...(keys?.jobs ?? []), ...(tokens?.jobs ?? [])],
    dependencies: [...(keys?.dependencies ?? []), ...(tokens?.dependencies ?? [])],
    ...(config.mode === 'jwt' && { issuer: config.tokens.issuer, audience: config.tokens.audience }),
  }
}
