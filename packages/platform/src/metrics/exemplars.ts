import { Histogram, type HistogramConfiguration, type LabelValues, Registry } from '@prometheus-io/client'
import { exemplarIds, isTracing } from '../tracing/api.ts'

/** The library's types treat an exemplar's labels as labels of the metric. */
type WithTrace<Label extends string> = Label | 'trace_id' | 'span_id'

/**
 * Creates a histogram whose buckets link to example traces (exemplars). Only OpenMetrics can represent them.
 */
export const histogramWithExemplars = <Label extends string>(
  configuration: Omit<HistogramConfiguration<Label>, 'collect' | 'registers'>,
  registry: Registry,
) => {
  // Without tracing there are no trace ids, and looking for them takes time.
  const enableExemplars = isTracing()
  const options = { ...configuration, enableExemplars, registers: [] }
  const histogram = new Histogram<WithTrace<Label>>(options)
  // Registered afterwards, because the constructor rejects a registry whose own format has no exemplars.
  registry.registerMetric(histogram)
  return {
    observe: (labels: LabelValues<Label>, value: number): void =>
      enableExemplars
        ? histogram.observe({ labels, value, exemplarLabels: exemplarIds() ?? {} })
        : histogram.observe(labels, value),
  }
}

/** Returns a registry with the same metrics in OpenMetrics format, each with these labels. */
export const openMetricsOf = (registry: Registry, labels: Readonly<Record<string, string>>): Registry => {
  const copy = new Registry(Registry.OPENMETRICS_CONTENT_TYPE)
  copy.setDefaultLabels(labels)
  // Registers derived objects, because for this format the library permanently renames the counters.
  for (const metric of registry.getMetricsAsArray()) copy.registerMetric(Object.create(metric))
  return copy
}
