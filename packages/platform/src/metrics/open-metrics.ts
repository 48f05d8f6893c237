import { Registry } from '@prometheus-io/client'

/** Returns a registry with the same metrics in OpenMetrics format, each with these labels. */
export const openMetricsOf = (registry: Registry, labels: Readonly<Record<string, string>>): Registry => {
  const copy = new Registry(Registry.OPENMETRICS_CONTENT_TYPE)
  copy.setDefaultLabels(labels)
  // Registers derived objects, because for this format the library permanently renames the counters.
  for (const metric of registry.getMetricsAsArray()) copy.registerMetric(Object.create(metric))
  return copy
}
