import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import { withDeadline } from './deadline.ts'
import type { Logger } from './logger.ts'

/** Between the beginnings of two reads lies so much time at least, and so many times what the first one took. */
const pace = { ms: 15_000, times: 20 } as const
/** How long a scrape waits for a read; what comes later is there for the next one. */
const waitMs = 1_000

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/** A metric made of figures that were read together. Samples with the same labels are added up. */
export type Figure<Figures> = Readonly<{
  name: string
  help: string
  type: 'gauge' | 'counter'
  labelNames: readonly string[]
  samples: (figures: Figures) => readonly Sample[]
}>

/** Figures that are read together. */
export type FigureSource<Figures> = Readonly<{
  /** What they are about. */
  name: string
  /** Takes a bounded time, also when the store hangs. Rejects with an `AbortError` when the service stops meanwhile. */
  read: () => Promise<Figures>
  figures: readonly Figure<Figures>[]
}>

/** Samples by metric, and when they were read, in seconds. */
type Samples = Readonly<{ at: number; of: ReadonlyMap<string, readonly Sample[]> }>

/** Nobody's failure: the service stops, and what is under way with it. A read that took too long is a `TimeoutError`. */
const isCalledOff = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** The latest samples, read on demand and one read at a time. None when the last read failed. */
const freshly = <Figures>({ name, read, figures }: FigureSource<Figures>, logger: Logger) => {
  let latest: Samples | undefined
  let dueAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  let failing = false

  const readAnew = async () => {
    const begun = performance.now()
    try {
      const at = Date.now() / 1_000
      const values = await read()
      latest = { at, of: new Map(figures.map((figure) => [figure.name, figure.samples(values)])) }
      failing = false
    } catch (error) {
      latest = undefined
      if (!failing && !isCalledOff(error))
        logger.warn({ figures: name, err: error }, 'figures cannot be read; trying again when scraped')
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

/** Whether, and as of when, there are figures. */
const exposeState = (name: string, samplesNow: () => Promise<Samples | undefined>, registry: Registry) => {
  registry.registerMetric(
    new Gauge({
      name: 'shop_figures_up',
      help: 'Whether the figures of the shop could be read from their store: 1 or 0',
      labelNames: ['figures'],
      aggregator: 'min',
      registers: [],
      async collect() {
        this.set({ figures: name }, (await samplesNow()) === undefined ? 0 : 1)
      },
    }),
  )
  registry.registerMetric(
    new Gauge({
      name: 'shop_figures_read_timestamp_seconds',
      help: 'When the figures of the shop were read from their store, in Unix time',
      labelNames: ['figures'],
      aggregator: 'max',
      registers: [],
      async collect() {
        const samples = await samplesNow()
        this.reset()
        if (samples !== undefined) this.set({ figures: name }, samples.at)
      },
    }),
  )
}

/**
 * Metrics that are read from a store when scraped: every 15 seconds at most, and in a twentieth of the time at most. While
 * they cannot be read they are missing, rather than old or zero, and `shop_figures_up` is 0; the scrape itself goes on.
 */
export const exposeFigures = <Figures>(
  registry: Registry,
  source: FigureSource<Figures>,
  logger: Logger,
): void => {
  const samplesNow = freshly(source, logger)
  const registers = [registry]
  exposeState(source.name, samplesNow, registry)
  for (const { name, help, type, labelNames } of source.figures) {
    const Metric = type === 'counter' ? Counter : Gauge
    const metric = new Metric({
      name,
      help,
      labelNames,
      // Of the shop, and not of a process: each worker reads the same.
      aggregator: 'max',
      registers,
      collect: async () => {
        const samples = await samplesNow()
        metric.reset()
        // Without labels there is a zero after a reset, which nobody has counted.
        if (labelNames.length === 0) metric.remove()
        for (const [labels, value] of samples?.of.get(name) ?? []) metric.inc(labels, value)
      },
    })
  }
}
