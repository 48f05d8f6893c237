import { AppError } from '@shop/kernel/errors.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Issuer } from '@shop/testing/auth/issuer.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import type { TokenConfig } from '../../src/auth/tokens/config.ts'
import { openTokens } from '../../src/auth/tokens/open-tokens.ts'
import type { TokenOptions } from '../../src/auth/tokens/tokens.ts'
import { checked } from './checked.ts'

/** The clocks of a test, in milliseconds. */
const steppedClocks = () => {
  const start = Date.now()
  let elapsed = 0
  return {
    now: () => new Date(start + elapsed),
    monotonic: () => elapsed,
    step: (ms: number) => {
      elapsed += ms
    },
  }
}

/** Accepts the tokens of the issuer, with keys from their URL. */
export const configOf = (issuer: Issuer): TokenConfig => ({
  issuer: issuer.url,
  audience: issuer.audience,
  typ: 'at+jwt',
  keys: { kind: 'url', url: issuer.keysUrl },
  allowHttp: true,
})

/** Opens the verification of the issuer's tokens, with clocks that stand still until they are stepped. */
export const openWith = (
  issuer: Issuer,
  config: Partial<TokenConfig> = {},
  onReload: TokenOptions['onReload'] = () => {},
) => {
  const clocks = steppedClocks()
  const { logger, lines } = recordingLogger()
  const tokens = openTokens({ ...configOf(issuer), ...config }, { logger, clocks, onReload })
  const [job] = tokens.jobs
  return {
    ...tokens,
    verify: checked(tokens.find),
    clocks,
    lines,
    messages: () => lines.map(({ msg }) => msg),
    pauseMs: () => (typeof job?.pauseMs === 'function' ? job.pauseMs() : job?.pauseMs),
    /** Runs the job once. */
    reload: async () => void (await job?.work(new AbortController().signal)),
    /** The reason of the health check; undefined while it is up. */
    problem: async (): Promise<string | undefined> => {
      try {
        await tokens.dependencies[0]?.probe(new AbortController().signal)
        return undefined
      } catch (error) {
        return (error as Error).message
      }
    },
  }
}

export const verifyOutcome = async (
  verify: (token: string) => Principal | Promise<Principal>,
  token: string,
) => {
  try {
    return await verify(token)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return error
  }
}

/** What `verify` says about the token: `ok`, or the kind of the error and its message. */
export const outcomeOf = async (
  { verify }: Readonly<{ verify: (token: string) => Principal | Promise<Principal> }>,
  token: string,
): Promise<string> => {
  const outcome = await verifyOutcome(verify, token)
  return outcome instanceof AppError ? `${outcome.kind}: ${outcome.message}` : 'ok'
}
