import { collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client'
import { histogramWithExemplars, openMetricsOf } from './open-metrics.ts'

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The service's figures, in Prometheus' base units. Labels are bounded: a route is its pattern, never the path. */
export const createMetrics = (service: string, version: string) => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  new Gauge({
    name: 'build_info',
    help: 'The running version; always 1',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1)
  return {
    registry,
    /** The same for who asks for OpenMetrics. */
    openMetrics: () => openMetricsOf(registry, { service }),
    httpRequestDuration: histogramWithExemplars(
      {
        name: 'http_server_request_duration_seconds',
        help: 'Time from the request head to the end of the response',
        labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
        buckets,
      },
      registry,
    ),
    httpActiveRequests: new Gauge({
      name: 'http_server_active_requests',
      help: 'Requests being served',
      registers,
    }),
    rpcServerDuration: histogramWithExemplars(
      {
        name: 'rpc_server_call_duration_seconds',
        help: 'Time taken by an RPC that this service serves',
        labelNames: ['rpc_method', 'rpc_response_status_code'],
        buckets,
      },
      registry,
    ),
    rpcClientDuration: histogramWithExemplars(
      {
        name: 'rpc_client_call_duration_seconds',
        help: 'Time taken by an RPC that this service calls',
        labelNames: ['rpc_method', 'rpc_response_status_code'],
        buckets,
      },
      registry,
    ),
    useCaseDuration: histogramWithExemplars(
      {
        name: 'use_case_duration_seconds',
        help: 'Time taken by a use case; outcome is ok or the code of the error',
        labelNames: ['use_case', 'outcome'],
        buckets,
      },
      registry,
    ),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
