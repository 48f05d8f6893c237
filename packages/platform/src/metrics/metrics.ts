import { Counter, Registry } from '@prometheus-io/client'
import { breakerGauge } from './breaker.ts'
import { connectionGauges } from './connections.ts'
import { createHistogram } from './histogram.ts'
import { inFlightGauge } from './in-flight.ts'
import { openMetricsOf } from './open-metrics.ts'
import { collectProcessMetrics } from './process.ts'

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

type Scrape = Readonly<{ contentType: string; text: string }>

const scrapeOne =
  (registry: Registry, service: string) =>
  async (openMetrics: boolean): Promise<Scrape> => {
    const source = openMetrics ? openMetricsOf(registry, { service }) : registry
    return { contentType: source.contentType, text: await source.metrics() }
  }

const createDurationHistograms = (registry: Registry, service: string) => {
  const durationHistogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ) => createHistogram<Label>({ name, help, labelNames, constantLabels: { service }, buckets }, registry)
  const rpcLabels = ['rpc_method', 'rpc_response_status_code'] as const
  return {
    httpRequestDuration: durationHistogram(
      'http_server_request_duration_seconds',
      'Time from the request head to the end of the response',
      ['http_request_method', 'http_route', 'http_response_status_code'],
    ),
    rpcServerDuration: durationHistogram(
      'rpc_server_call_duration_seconds',
      'Time taken by an RPC served by this service',
      rpcLabels,
    ),
    rpcClientDuration: durationHistogram(
      'rpc_client_call_duration_seconds',
      'Time taken by an RPC called by this service, including retries',
      rpcLabels,
    ),
    dbOperationDuration: durationHistogram(
      'db_client_operation_duration_seconds',
      'Time taken by a statement or command of the store; outcome is ok or the code of the error',
      ['db_system_name', 'db_operation_name', 'outcome'],
    ),
    jobDuration: durationHistogram(
      'job_duration_seconds',
      'Time taken by one run of a background job; outcome is ok or the code of the error',
      ['job', 'outcome'],
    ),
    useCaseDuration: durationHistogram(
      'use_case_duration_seconds',
      'Time taken by a use case; outcome is ok or the code of the error',
      ['use_case', 'outcome'],
    ),
  }
}

const createCounters = (registry: Registry) => ({
  shopEvents: new Counter({
    name: 'shop_events_total',
    help: 'Events of the shop published by this process, by event type',
    labelNames: ['event'],
    registers: [registry],
  }),
  idempotencyKeys: new Counter({
    name: 'idempotency_keys_total',
    help: 'Writes with an idempotency key that had been used before; outcome is replayed, or reused for a different request',
    labelNames: ['outcome'],
    registers: [registry],
  }),
  refusals: new Counter({
    name: 'requests_refused_total',
    help: 'Requests, calls and connections refused by a limit of docs/limits.md; scope is client or total',
    labelNames: ['reason', 'scope'],
    registers: [registry],
  }),
  responsesCut: new Counter({
    name: 'responses_cut_total',
    help: 'Responses ended because their client did not take them; the reason is stalled or evicted',
    labelNames: ['reason'],
    registers: [registry],
  }),
})

/**
 * Creates the metrics of a service, in Prometheus' base units and with OpenTelemetry's names; docs/metrics.md
 * lists them. Label values are bounded: a route is its pattern, never the path. Pass `scrapeAll` if several
 * processes share a port: `scrape` then returns the metrics of all of them.
 */
export const createMetrics = (
  service: string,
  version: string,
  scrapeAll?: (registry: Registry) => () => Promise<string>,
) => {
  const registry = new Registry()
  const scrapeText = scrapeAll?.(registry)
  registry.setDefaultLabels({ service })
  collectProcessMetrics(registry, version)
  return {
    registry,
    /** Returns the metrics as Prometheus text. Without `scrapeAll`, OpenMetrics is available too. */
    scrape:
      scrapeText === undefined
        ? scrapeOne(registry, service)
        : async (): Promise<Scrape> => ({ contentType: registry.contentType, text: await scrapeText() }),
    ...createDurationHistograms(registry, service),
    httpActiveRequests: inFlightGauge('http_server_active_requests', 'Requests being served', registry),
    ...createCounters(registry),
    /** Adds a connection pool to the connection metrics. */
    watchPool: connectionGauges(registry),
    /** Returns a function that records the state of the named circuit breaker. */
    watchBreaker: breakerGauge([registry]),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
