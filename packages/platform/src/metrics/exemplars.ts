import { Histogram, type HistogramConfiguration, type LabelValues, Registry } from '@prometheus-io/client'
import { exemplarIds, isTracing } from '../tracing/api.ts'

/** The library takes the labels of an exemplar for some of the metric's. */
type WithTrace<Label extends string> = Label | 'trace_id' | 'span_id'

/** A histogram whose buckets each point to a trace that fell into them: as an exemplar, which only OpenMetrics can tell. */
export const histogramWithExemplars = <Label extends string>(
  configuration: Omit<HistogramConfiguration<Label>, 'collect' | 'registers'>,
  registry: Registry,
) => {
  // Without traces there is nothing to point to, and to look for it takes time.
  const enableExemplars = isTracing()
  const options = { ...configuration, enableExemplars, registers: [] }
  const histogram = new Histogram<WithTrace<Label>>(options)
  // Afterwards: the constructor refuses a registry whose own format has no exemplars.
  registry.registerMetric(histogram)
  return {
    observe: (labels: LabelValues<Label>, value: number): void =>
      enableExemplars
        ? histogram.observe({ labels, value, exemplarLabels: exemplarIds() ?? {} })
        : histogram.observe(labels, value),
    get: () => histogram.get(),
  }
}

/** The registry's metrics as OpenMetrics, each with these labels. */
export const openMetricsOf = (registry: Registry, labels: Readonly<Record<string, string>>): Registry => {
  const copy = new Registry(Registry.OPENMETRICS_CONTENT_TYPE)
  copy.setDefaultLabels(labels)
  // Objects that stand for the metrics: for this format the library changes the names of counters, for good.
  for (const metric of registry.getMetricsAsArray()) copy.registerMetric(Object.create(metric))
  return copy
}
