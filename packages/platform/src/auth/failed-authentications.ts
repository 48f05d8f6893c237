import { AppError, kindOf } from '@shop/kernel/errors.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Client } from '../limits/client.ts'
import type { RatePolicy } from '../limits/rates/policy.ts'
import { rateRefusals } from '../limits/rates/rate-refusals.ts'
import type { Rates } from '../limits/rates/rates.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Unverified } from './identity.ts'

/** Clients that work fail now and then, when a token has expired. A check of a signature takes 100 to 300 µs. */
const policy: RatePolicy = { name: 'failed_authentications', quota: 100, windowSeconds: 60 }

/**
 * Checks of one client at the same time, in this process. Without this, a flood would have been checked before the first failure is
 * counted.
 */
const maxChecks = 100

const checksPauseMs = 1_000

const tooMany = (retryAfterSeconds: number): AppError =>
  new AppError('rate_limited', 'too many failed authentications from your address, try again later', {
    retryAfterSeconds,
  })

/** Counts what runs for each client. */
const createRunning = () => {
  const counts = new Map<string, number>()
  return {
    of: (client: string): number => counts.get(client) ?? 0,
    add: (client: string, change: 1 | -1): void => {
      const count = (counts.get(client) ?? 0) + change
      if (count === 0) counts.delete(client)
      else counts.set(client, count)
    },
  }
}

/**
 * Returns a function that runs a check of credentials, unless its client has failed too often: then it rejects with `rate_limited`,
 * before anything is checked. Credentials that were valid when they were last checked are checked nevertheless: verdicts hold for a
 * minute, and somebody behind the same address must not lock out their holders. Only refused credentials count, not those that
 * cannot be checked now. What other processes have counted is known after a few failures, so that a check never waits for their
 * store. A trusted proxy that names no client is not limited.
 */
export const limitFailures = (
  rates: Pick<Rates, 'limit'>,
  metrics: Pick<Metrics, 'refusals'>,
): ((unverified: Unverified, client: Client) => Promise<Principal>) => {
  const limit = rates.limit(policy)
  const refusalAfter = rateRefusals(policy.name, tooMany, metrics)
  const running = createRunning()
  const refusalOf = (client: string, identity: string): AppError | undefined => {
    const { isAllowed, resetMs } = limit.peek(identity)
    if (!isAllowed) return refusalAfter(resetMs)
    return running.of(client) < maxChecks ? undefined : refusalAfter(checksPauseMs)
  }
  return async ({ check, wasValid }, client) => {
    if (client === undefined) return await check()
    const identity = `address:${client}`
    const refusal = wasValid ? undefined : refusalOf(client, identity)
    if (refusal !== undefined) throw refusal
    running.add(client, 1)
    try {
      return await check()
    } catch (error) {
      // It tells the store by itself. Nothing waits for the decision: the next check asks what is known by then.
      if (kindOf(error) === 'unauthenticated') void limit.take(identity)
      throw error
    } finally {
      running.add(client, -1)
    }
  }
}
