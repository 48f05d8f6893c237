import { AppError, kindOf } from '@shop/kernel/errors.ts'
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll, isBrokenCircuitError } from 'cockatiel'

export const breakerStates = ['closed', 'half_open', 'open'] as const
export type BreakerState = (typeof breakerStates)[number]

type BreakerOptions = Readonly<{
  /** So many `unavailable` in a row open it. Other errors are answers, and close it. */
  failures: number
  /** While it is open calls fail at once; after this time one is let through to try. */
  retryAfterMs: number
  /** What callers are told meanwhile. */
  message: string
  /** Is told the state at the beginning, and each that follows. */
  onState?: ((state: BreakerState) => void) | undefined
}>

const stateNames: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Open]: 'open',
  // Opened by hand, which nobody does.
  [CircuitState.Isolated]: 'open',
}

/** Rejects with `unavailable` only: any other error is an answer, which the function that it resolves with throws. */
const outcomeOf = async <Result>(call: () => Promise<Result>): Promise<() => Result> => {
  try {
    const result = await call()
    return () => result
  } catch (error) {
    if (kindOf(error) === 'unavailable') throw error
    return () => {
      throw error
    }
  }
}

/** Keeps calls from waiting for something that is known to be down: they get `unavailable` at once. */
export const createBreaker = ({ failures, retryAfterMs, message, onState }: BreakerOptions) => {
  const breaker = new ConsecutiveBreaker(failures)
  const policy = circuitBreaker(handleAll, { halfOpenAfter: retryAfterMs, breaker })
  onState?.('closed')
  policy.onStateChange((state) => onState?.(stateNames[state]))
  return async <Result>(call: () => Promise<Result>): Promise<Result> => {
    try {
      const answer = await policy.execute(() => outcomeOf(call))
      return answer()
    } catch (error) {
      if (isBrokenCircuitError(error)) throw new AppError('unavailable', message, { cause: error })
      throw error
    }
  }
}
