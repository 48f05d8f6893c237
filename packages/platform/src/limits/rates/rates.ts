import { Gauge } from '@prometheus-io/client'
import { expectedFailure } from '../../failure.ts'
import type { Logger } from '../../logging/logger.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import type { RatePolicy, ShareUsage } from './policy.ts'
import { RateLimit } from './rate-limit.ts'
import { StoreState } from './store-state.ts'

type Options = Readonly<{
  /** The processes of this instance. */
  processes: number
  /** Without it, each process counts by itself. */
  shareUsage?: ShareUsage | undefined
  logger: Logger
  metrics: Pick<Metrics, 'registry'>
}>

/** Registers a gauge of whether the limits are shared, of all processes of the instance. */
const exposeState = ({ registry }: Options['metrics'], store: StoreState): void =>
  registry.registerMetric(
    new Gauge({
      name: 'rate_limits_shared',
      help: '1 while rate limits are shared through the store, 0 while each process counts by itself',
      aggregator: 'min',
      registers: [],
      collect() {
        this.set(store.isAway ? 0 : 1)
      },
    }),
  )

/**
 * Creates the limits of policies. While the store is away, each process limits by what it has seen itself. The log says so, and again if
 * the reason changes.
 */
export const createRates = ({ processes, shareUsage, logger, metrics }: Options) => {
  const stack = new DisposableStack()
  const store = stack.use(
    new StoreState({
      onAway: (error) =>
        logger.warn(expectedFailure(error), 'rate limits are not shared: each process counts by itself'),
      onReturn: () => logger.info('rate limits are shared again'),
    }),
  )
  if (shareUsage !== undefined) exposeState(metrics, store)
  return {
    limit: (policy: RatePolicy): RateLimit =>
      stack.use(new RateLimit({ policy, processes, shared: shareUsage?.(policy), store })),
    [Symbol.dispose]: (): void => stack.dispose(),
  }
}

export type Rates = ReturnType<typeof createRates>
