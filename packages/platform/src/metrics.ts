import { Gauge, Registry } from '@prometheus-io/client'
import { histogramWithExemplars, openMetricsOf } from './open-metrics.ts'
import { collectProcessMetrics } from './process-metrics.ts'
import { connectMetrics, isWorker } from './worker.ts'

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How many connections of a pool there are in each state, how many calls wait for one, and how many there may be. */
export type PoolState = Readonly<{ idle: number; used: number; waiting: number; max: number }>

export const breakerStates = ['closed', 'half_open', 'open'] as const
export type BreakerState = (typeof breakerStates)[number]

/** Connections are counted when scraped. */
const connectionGauges = (registry: Registry) => {
  const pools = new Map<string, () => PoolState>()
  const pool = 'db_client_connection_pool_name'
  const state = 'db_client_connection_state'
  registry.registerMetric(
    new Gauge({
      name: 'db_client_connections',
      help: 'Connections to the store, by their state: idle or used',
      labelNames: [pool, state],
      registers: [],
      collect() {
        for (const [name, read] of pools) {
          const { idle, used } = read()
          this.set({ [pool]: name, [state]: 'idle' }, idle)
          this.set({ [pool]: name, [state]: 'used' }, used)
        }
      },
    }),
  )
  for (const [name, help, property] of [
    ['db_client_connections_max', 'Connections to the store that there may be', 'max'],
    ['db_client_connections_pending_requests', 'Calls that wait for a connection to the store', 'waiting'],
  ] as const)
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: [pool],
        registers: [],
        collect() {
          for (const [poolName, read] of pools) this.set({ [pool]: poolName }, read()[property])
        },
      }),
    )
  return (name: string, read: () => PoolState): void => void pools.set(name, read)
}

/** A gauge that goes up and down by one, so often that it is only told when scraped. */
const counterOf = (name: string, help: string, registry: Registry) => {
  let count = 0
  const gauge = new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(count)
    },
  })
  registry.registerMetric(gauge)
  return {
    inc: () => {
      count += 1
    },
    dec: () => {
      count -= 1
    },
    get: () => gauge.get(),
  }
}

const breakerGauge = (registers: Registry[]) => {
  const gauge = new Gauge({
    name: 'circuit_breaker_state',
    help: '1 for the state that the circuit breaker is in: closed, half_open or open',
    labelNames: ['circuit_breaker', 'state'],
    aggregator: 'max',
    registers,
  })
  return (name: string) => (now: BreakerState) => {
    for (const state of breakerStates) gauge.set({ circuit_breaker: name, state }, state === now ? 1 : 0)
  }
}

const scraping = (registry: Registry, service: string) => {
  if (isWorker()) {
    const ofAll = connectMetrics(registry)
    return async () => ({ contentType: registry.contentType, text: await ofAll() })
  }
  return async (openMetrics: boolean) => {
    const chosen = openMetrics ? openMetricsOf(registry, { service }) : registry
    return { contentType: chosen.contentType, text: await chosen.metrics() }
  }
}

/**
 * The service's figures, in Prometheus' base units, under OpenTelemetry's names; docs/metrics.md lists them. Labels are
 * bounded: a route is its pattern, never the path.
 */
export const createMetrics = (service: string, version: string) => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  const registers = [registry]
  collectProcessMetrics(registry, version)
  const durations = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    histogramWithExemplars<Label>({ name, help, labelNames, buckets }, registry)
  const rpcLabels = ['rpc_method', 'rpc_response_status_code'] as const
  return {
    registry,
    /** All of them as text, for Prometheus, or as OpenMetrics: of every worker when there are several, and then as text alone. */
    scrape: scraping(registry, service),
    httpRequestDuration: durations(
      'http_server_request_duration_seconds',
      'Time from the request head to the end of the response',
      ['http_request_method', 'http_route', 'http_response_status_code'],
    ),
    httpActiveRequests: counterOf('http_server_active_requests', 'Requests being served', registry),
    rpcServerDuration: durations(
      'rpc_server_call_duration_seconds',
      'Time taken by an RPC that this service serves',
      rpcLabels,
    ),
    rpcClientDuration: durations(
      'rpc_client_call_duration_seconds',
      'Time taken by an RPC that this service calls, its retries included',
      rpcLabels,
    ),
    dbOperationDuration: durations(
      'db_client_operation_duration_seconds',
      'Time taken by a statement or command of the store; outcome is ok or the code of the error',
      ['db_system_name', 'db_operation_name', 'outcome'],
    ),
    useCaseDuration: durations(
      'use_case_duration_seconds',
      'Time taken by a use case; outcome is ok or the code of the error',
      ['use_case', 'outcome'],
    ),
    /** From now on the pool's connections are counted at every scrape. */
    watchPool: connectionGauges(registry),
    /** A function to tell every state of the breaker of this name. */
    watchBreaker: breakerGauge(registers),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
