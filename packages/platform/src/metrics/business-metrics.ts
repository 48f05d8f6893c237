import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import { failureFields } from '../failure.ts'
import type { Logger } from '../logging/logger.ts'
import { withDeadline } from '../resilience/deadline.ts'

/** Minimum interval between read starts: 15 s or 20 × the last read's duration, whichever is longer. */
const minInterval = { ms: 15_000, readDurations: 20 } as const
/** How long a scrape waits for a read; the result of a slower read is used by the next scrape. */
const waitMs = 1_000

export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/** A metric computed from values that were read together. Samples with the same labels are added up. */
export type SampledMetric<Values> = Readonly<{
  name: string
  help: string
  type: 'gauge' | 'counter'
  labelNames: readonly string[]
  samples: (values: Values) => readonly Sample[]
}>

/** Values that are read together from a store, and the metrics computed from them. */
export type SampleSource<Values> = Readonly<{
  /** Identifies the values in logs and in the `statistics` label. */
  name: string
  /** Must settle in bounded time, even if the store hangs. Rejects with `AbortError` if the service stops. */
  read: () => Promise<Values>
  metrics: readonly SampledMetric<Values>[]
}>

/** Samples by metric name, and the time at which they were read, in Unix seconds. */
type Samples = Readonly<{ at: number; byMetric: ReadonlyMap<string, readonly Sample[]> }>

/** Whether the service stopped the read, which is not a failure. A timeout is a `TimeoutError` instead. */
const isAbortError = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** Returns a function that returns the latest samples, reading them if due; undefined if the read failed. */
const cachedSamples = <Values>({ name, read, metrics }: SampleSource<Values>, logger: Logger) => {
  let latest: Samples | undefined
  let dueAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  let failing = false

  const refresh = async () => {
    const started = performance.now()
    try {
      const at = Date.now() / 1_000
      const values = await read()
      latest = { at, byMetric: new Map(metrics.map((metric) => [metric.name, metric.samples(values)])) }
      failing = false
    } catch (error) {
      latest = undefined
      if (!failing && !isAbortError(error))
        logger.warn(
          { statistics: name, ...failureFields(error) },
          'statistics cannot be read; retrying at the next scrape',
        )
      failing = true
    }
    const duration = performance.now() - started
    dueAt = started + Math.max(minInterval.ms, minInterval.readDurations * duration)
  }

  return async (): Promise<Samples | undefined> => {
    if (reading === undefined && performance.now() >= dueAt)
      reading = refresh().finally(() => {
        reading = undefined
      })
    if (reading !== undefined) await withDeadline(waitMs, 'still reading', reading).catch(() => {})
    return latest
  }
}

/** Exposes whether the samples can be read, and when they were last read. */
const exposeState = (name: string, samplesNow: () => Promise<Samples | undefined>, registry: Registry) => {
  registry.registerMetric(
    new Gauge({
      name: 'shop_statistics_up',
      help: '1 while the statistics of the shop can be read from their store, otherwise 0',
      labelNames: ['statistics'],
      aggregator: 'min',
      registers: [],
      async collect() {
        this.set({ statistics: name }, (await samplesNow()) === undefined ? 0 : 1)
      },
    }),
  )
  registry.registerMetric(
    new Gauge({
      name: 'shop_statistics_read_timestamp_seconds',
      help: 'When the statistics of the shop were last read from their store, in Unix time',
      labelNames: ['statistics'],
      aggregator: 'max',
      registers: [],
      async collect() {
        const samples = await samplesNow()
        this.reset()
        if (samples !== undefined) this.set({ statistics: name }, samples.at)
      },
    }),
  )
}

const exposeMetrics = <Values>(
  metrics: readonly SampledMetric<Values>[],
  samplesNow: () => Promise<Samples | undefined>,
  registry: Registry,
) => {
  const registers = [registry]
  for (const { name, help, type, labelNames } of metrics) {
    const Metric = type === 'counter' ? Counter : Gauge
    const metric = new Metric({
      name,
      help,
      labelNames,
      // The values belong to the store, not to a process: every worker reads the same.
      aggregator: 'max',
      registers,
      collect: async () => {
        const samples = await samplesNow()
        metric.reset()
        // After a reset, a metric without labels reports a zero that was never read.
        if (labelNames.length === 0) metric.remove()
        for (const [labels, value] of samples?.byMetric.get(name) ?? []) metric.inc(labels, value)
      },
    })
  }
}

/**
 * Exposes metrics that are read from a store when scraped: at most every 15 s, and for at most a twentieth of
 * the time. While they cannot be read, they are missing, not stale or zero; the scrape itself succeeds.
 */
export const exposeSamples = <Values>(
  registry: Registry,
  source: SampleSource<Values>,
  logger: Logger,
): void => exposeMetrics(source.metrics, cachedSamples(source, logger), registry)

/** Like `exposeSamples`, but also exposes whether the metrics can be read, and when they last were. */
export const exposeBusinessMetrics = <Values>(
  registry: Registry,
  source: SampleSource<Values>,
  logger: Logger,
): void => {
  const samplesNow = cachedSamples(source, logger)
  exposeState(source.name, samplesNow, registry)
  exposeMetrics(source.metrics, samplesNow, registry)
}
