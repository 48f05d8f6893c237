import { systemClock } from '@shop/kernel/clock.ts'
import { AppError } from '@shop/kernel/errors.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Dependency } from '../../health/health.ts'
import type { Job } from '../../job.ts'
import { createVerdicts, type Verdict } from '../verdicts.ts'
import type { TokenConfig } from './config.ts'
import { createKeySet, type KeySet } from './key-set.ts'
import { keySource } from './key-source.ts'
import type { Keys } from './keys.ts'
import { unknownKey } from './token-errors.ts'
import type { Clocks, TokenOptions, Tokens } from './tokens.ts'
import { createTokenVerification, type VerifiedToken } from './verify-token.ts'

const maxVerdicts = 10_000
const maxVerdictMs = 60_000

/** The shortest pause of the job, also if the keys are overdue. */
const minPauseMs = 50

const systemClocks: Clocks = { now: systemClock, monotonic: () => performance.now() }

const keysUnknown = new AppError(
  'unavailable',
  'the keys of the token issuer cannot be loaded now, try again later',
)

type VerifyWith = (token: string, choose: Keys['choose']) => Promise<VerifiedToken>

/** Creates the check of a token. If no key fits, the keys are reloaded; if that fails, nobody knows whether the token is valid. */
const createCheck =
  (keySet: KeySet, verifyWith: VerifyWith) =>
  async (token: string): Promise<VerifiedToken> => {
    const keys = await keySet.current()
    try {
      return await verifyWith(token, keys.choose)
    } catch (error) {
      if (error !== unknownKey) throw error
    }
    await keySet.reloadForUnknownKey()
    const latest = await keySet.current()
    if (latest !== keys) return await verifyWith(token, latest.choose)
    throw keySet.isFailing() ? keysUnknown : unknownKey
  }

const jobOf = (keySet: KeySet): Job => ({
  name: 'issuer-keys',
  pauseMs: () => Math.max(keySet.nextInMs(), minPauseMs),
  work: keySet.reloadIfDue,
})

const dependencyOf = (keySet: KeySet): Dependency => ({
  name: 'issuer',
  required: false,
  probe: async () => {
    const problem = keySet.problem()
    if (problem !== undefined) throw new AppError('unavailable', problem)
  },
})

/** Starts to load the keys of the issuer, without waiting for them, and verifies tokens. */
export const openTokens = (
  config: TokenConfig,
  { logger, clocks = systemClocks, onReload }: TokenOptions,
): Tokens => {
  const { now, monotonic } = clocks
  const keySet = createKeySet({
    source: keySource(config),
    logger,
    monotonic,
    onReload,
    onChange: () => verdicts.forget(),
  })
  const check = createCheck(keySet, createTokenVerification(config, now))
  const verdictOn = async (token: string): Promise<Verdict<Principal>> => {
    const { principal, expiresAt } = await check(token)
    const forMs = Math.min(maxVerdictMs, expiresAt - now().getTime(), keySet.validForMs())
    return { result: principal, forMs }
  }
  const verdicts = createVerdicts(verdictOn, { max: maxVerdicts, monotonic })
  return {
    find: verdicts.of,
    jobs: [jobOf(keySet)],
    dependencies: [dependencyOf(keySet)],
  }
}
