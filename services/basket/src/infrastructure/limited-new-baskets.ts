import type { AppError } from '@shop/kernel/errors.ts'
import { createRate } from '@shop/platform/limits/rate.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import { tooManyNewBaskets } from '../domain/errors.ts'
import { mayBeStored } from './may-be-stored.ts'

/** What each client may create per hour. `take` returns the refusal if the client has used it up. */
const createShares = (perHour: number, { refusals }: Pick<Metrics, 'refusals'>) => {
  const { take, giveBack } = createRate({ amount: perHour, periodSeconds: 3_600 })
  const labels = { reason: 'new_baskets', scope: 'client' } as const
  // Prometheus needs the 0 to notice the first refusal.
  refusals.inc(labels, 0)
  /** By their seconds, at most 3,600: an attack produces many of these errors, and each would capture its own stack trace. */
  const errors = new Map<number, AppError>()
  return {
    take: (client: string): AppError | undefined => {
      const seconds = take(client)
      if (seconds === undefined) return undefined
      const error = errors.get(seconds) ?? tooManyNewBaskets(seconds)
      errors.set(seconds, error)
      return error
    },
    giveBack,
    countRefusal: (): void => refusals.inc(labels),
  }
}

/**
 * Limits how many baskets the client of a request creates per hour; 0 means no limit. More are refused with
 * `rate_limited`. Changes of existing baskets are never refused. Requests without a client, such as those that a trusted
 * proxy does not attribute to one, are not limited.
 */
export const limitNewBaskets = (
  baskets: BasketRepository,
  perHour: number,
  metrics: Pick<Metrics, 'refusals'>,
): BasketRepository => {
  if (perHour === 0) return baskets
  const shares = createShares(perHour, metrics)

  return {
    find: baskets.find,
    update: async (userId, change) => {
      const client = requestContext.getStore()?.client
      if (client === undefined) return baskets.update(userId, change)
      let isTaken = false
      let isNew = false
      let refusal: AppError | undefined
      const changeAndTake: typeof change = (basket) => {
        // After a conflicting write, this is called again, and the basket may exist.
        isNew = false
        const changed = change(basket)
        isNew = basket === undefined && changed !== undefined
        if (isNew && !isTaken) {
          refusal = shares.take(client)
          if (refusal !== undefined) throw refusal
          isTaken = true
        }
        return changed
      }
      try {
        const stored = await baskets.update(userId, changeAndTake)
        if (isTaken && !isNew) shares.giveBack(client)
        return stored
      } catch (error) {
        if (error === refusal) shares.countRefusal()
        if (isTaken && !(isNew && mayBeStored(error))) shares.giveBack(client)
        throw error
      }
    },
  }
}
