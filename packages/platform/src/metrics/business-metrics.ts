import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import type { Logger } from '../logging/logger.ts'
import { withDeadline } from '../resilience/deadline.ts'

/** Minimum interval between the beginnings of two reads: 15 s, or 20 times the last read's duration, whichever is longer. */
const pace = { ms: 15_000, times: 20 } as const
/** How long a scrape waits for a read; what comes later is there for the next one. */
const waitMs = 1_000

export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/** A metric made of values that were read together. Samples with the same labels are added up. */
export type SampledMetric<Values> = Readonly<{
  name: string
  help: string
  type: 'gauge' | 'counter'
  labelNames: readonly string[]
  samples: (values: Values) => readonly Sample[]
}>

/** Values that are read together from a store, and the metrics that are made of them. */
export type SampleSource<Values> = Readonly<{
  /** What they are about. */
  name: string
  /** Takes a bounded time, also when the store hangs. Rejects with an `AbortError` when the service stops meanwhile. */
  read: () => Promise<Values>
  metrics: readonly SampledMetric<Values>[]
}>

/** Samples by metric, and when they were read, in seconds. */
type Samples = Readonly<{ at: number; of: ReadonlyMap<string, readonly Sample[]> }>

/** No failure: the service stops, and what is under way with it. A read that took too long is a `TimeoutError`. */
const isAbortError = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** The latest samples, read on demand and one read at a time. None when the last read failed. */
const cachedSamples = <Values>({ name, read, metrics }: SampleSource<Values>, logger: Logger) => {
  let latest: Samples | undefined
  let dueAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  let failing = false

  const readAnew = async () => {
    const begun = performance.now()
    try {
      const at = Date.now() / 1_000
      const values = await read()
      latest = { at, of: new Map(metrics.map((metric) => [metric.name, metric.samples(values)])) }
      failing = false
    } catch (error) {
      latest = undefined
      if (!failing && !isAbortError(error))
        logger.warn(
          { statistics: name, err: error },
          'statistics cannot be read; retrying at the next scrape',
        )
      failing = true
    }
    dueAt = begun + Math.max(pace.ms, pace.times * (performance.now() - begun))
  }

  return async (): Promise<Samples | undefined> => {
    if (reading === undefined && performance.now() >= dueAt)
      reading = readAnew().finally(() => {
        reading = undefined
      })
    if (reading !== undefined) await withDeadline(waitMs, 'still reading', reading).catch(() => {})
    return latest
  }
}

/** Whether, and as of when, there are samples. */
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
      // Of the store, and not of a process: each worker reads the same.
      aggregator: 'max',
      registers,
      collect: async () => {
        const samples = await samplesNow()
        metric.reset()
        // Without labels there is a zero after a reset, which was not counted.
        if (labelNames.length === 0) metric.remove()
        for (const [labels, value] of samples?.of.get(name) ?? []) metric.inc(labels, value)
      },
    })
  }
}

/**
 * Metrics that are read from a store when scraped: every 15 seconds at most, and in a twentieth of the time at most. While
 * they cannot be read they are missing, rather than old or zero; the scrape itself goes on.
 */
export const exposeSamples = <Values>(
  registry: Registry,
  source: SampleSource<Values>,
  logger: Logger,
): void => exposeMetrics(source.metrics, cachedSamples(source, logger), registry)

/** The same for metrics of the business: while they cannot be read, `shop_statistics_up` is 0. */
export const exposeBusinessMetrics = <Values>(
  registry: Registry,
  source: SampleSource<Values>,
  logger: Logger,
): void => {
  const samplesNow = cachedSamples(source, logger)
  exposeState(source.name, samplesNow, registry)
  exposeMetrics(source.metrics, samplesNow, registry)
}
