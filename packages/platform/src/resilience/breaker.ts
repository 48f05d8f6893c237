import { AppError, kindOf } from '@shop/kernel/errors.ts'

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

/** The cause of the error of a call that was not made. */
export class CircuitOpen extends Error {
  override readonly name = 'CircuitOpen'

  constructor() {
    super('the circuit breaker is open')
  }
}

/**
 * The states of a breaker. Time is measured by the monotonic clock: the wall clock may step back, and the
 * breaker would stay open for as long as the step.
 */
const createCircuit = ({ failures, retryAfterMs, message, onState }: BreakerOptions) => {
  let state: BreakerState = 'closed'
  let failed = 0
  let retryAt = 0
  onState?.(state)

  const enter = (next: BreakerState) => {
    if (next !== state) onState?.(next)
    state = next
  }
  return {
    /** Returns the state in which a call begins, or throws while calls are rejected. */
    admit: (): BreakerState => {
      if (state === 'half_open' || (state === 'open' && performance.now() < retryAt))
        throw new AppError('unavailable', message, { cause: new CircuitOpen() })
      if (state === 'open') enter('half_open')
      return state
    },
    /** Records the outcome of a call, unless the state has changed since the call began. */
    record: (admitted: BreakerState, isFailure: boolean): void => {
      if (admitted !== state) return
      failed = isFailure ? failed + 1 : 0
      if (!isFailure) enter('closed')
      else if (state === 'half_open' || failed >= failures) {
        retryAt = performance.now() + retryAfterMs
        enter('open')
      }
    },
  }
}

/**
 * Creates a circuit breaker. Calls to a dependency that is known to be down fail at once with `unavailable`,
 * also during the trial call.
 */
export const createBreaker = (options: BreakerOptions) => {
  const { admit, record } = createCircuit(options)
  return async <Result>(call: () => Promise<Result>): Promise<Result> => {
    const admitted = admit()
    try {
      const result = await call()
      record(admitted, false)
      return result
    } catch (error) {
      record(admitted, kindOf(error) === 'unavailable')
      throw error
    }
  }
}
