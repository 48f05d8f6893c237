import { AppError, kindOf } from '@shop/kernel/errors.ts'
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll, isBrokenCircuitError } from 'cockatiel'

export const breakerStates = ['closed', 'half_open', 'open'] as const
export type BreakerState = (typeof breakerStates)[number]

type BreakerOptions = Readonly<{
  /** This many consecutive `unavailable` errors open the breaker. Any other error counts as a success. */
  failures: number
  /** While the breaker is open, calls fail at once; after this time one trial call is let through. */
  retryAfterMs: number
  /** The error message for callers while the breaker is open. */
  message: string
  /** Receives the initial state and every later one. */
  onState?: ((state: BreakerState) => void) | undefined
}>

const stateNames: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Open]: 'open',
  // Opened manually, which this code never does.
  [CircuitState.Isolated]: 'open',
}

/**
 * Rejects only with `unavailable` errors, which count as failures. Otherwise resolves with a function that
 * returns the result of the call or throws its error.
 */
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

/**
 * Creates a circuit breaker. Calls to a dependency that is known to be down fail at once with `unavailable`.
 */
export const createBreaker = ({ failures, retryAfterMs, message, onState }: BreakerOptions) => {
  const breaker = new ConsecutiveBreaker(failures)
  const policy = circuitBreaker(handleAll, { halfOpenAfter: retryAfterMs, breaker })
  onState?.('closed')
  policy.onStateChange((state) => onState?.(stateNames[state]))
  return async <Result>(call: () => Promise<Result>): Promise<Result> => {
    try {
      const outcome = await policy.execute(() => outcomeOf(call))
      return outcome()
    } catch (error) {
      if (isBrokenCircuitError(error)) throw new AppError('unavailable', message, { cause: error })
      throw error
    }
  }
}
