import { dashboard, durations, graph, row, stat } from './panels.ts'

const window = '$__rate_interval'
/** Health checks and scrapes are nobody's requests. */
export const customers = 'http_route!~"/health.*|/metrics"'

/** Events a second by labels, of a histogram or a counter. */
export const rate = (by: string, series: string): string => `sum by (${by}) (rate(${series}[${window}]))`

/** The duration that a share of the events do not exceed. */
export const quantile = (share: number, by: string, name: string, matchers: string): string =>
  `histogram_quantile(${share}, sum by (le, ${by}) (rate(${name}_bucket{${matchers}}[${window}])))`

export const httpDuration = 'http_server_request_duration_seconds'

const requests = (service: string) => {
  const matchers = `service="${service}", ${customers}`
  return row(
    'Requests over HTTP',
    graph(
      'Rate by route',
      'requests',
      [
        [
          rate('http_request_method, http_route', `${httpDuration}_count{${matchers}}`),
          '{{http_request_method}} {{http_route}}',
        ],
      ],
      'What customers do. A route that falls to nothing is as bad as one that fails.',
    ),
    graph(
      'Answers by status',
      'requests',
      [
        [
          rate('http_response_status_code', `${httpDuration}_count{${matchers}}`),
          '{{http_response_status_code}}',
        ],
      ],
      '4xx: callers are wrong, or refused by a rule. 5xx: we are; see ErrorBudgetBurnsFast in the runbook.',
    ),
    durations(
      '99th percentile by route',
      'seconds',
      [[quantile(0.99, 'http_route', httpDuration, matchers), '{{http_route}}']],
      'See RequestsSlow in the runbook. The points are requests that were traced.',
    ),
  )
}

const useCases = (service: string) => {
  const name = 'use_case_duration_seconds'
  return row(
    'Use cases',
    graph(
      'Rate by outcome',
      'operations',
      [[rate('use_case, outcome', `${name}_count{service="${service}"}`), '{{use_case}} {{outcome}}']],
      'The same whichever protocol asked for it.',
    ),
    durations(
      '99th percentile',
      'seconds',
      [[quantile(0.99, 'use_case', name, `service="${service}"`), '{{use_case}}']],
      'What is slow in a request is in here, or it is the network, or the event loop.',
    ),
  )
}

const store = (service: string) => {
  const name = 'db_client_operation_duration_seconds'
  const of = `service="${service}"`
  return row(
    'Store',
    graph(
      'Operations by outcome',
      'operations',
      [[rate('db_operation_name, outcome', `${name}_count{${of}}`), '{{db_operation_name}} {{outcome}}']],
      'Reads that come together are one operation.',
    ),
    durations(
      '99th percentile',
      'seconds',
      [[quantile(0.99, 'db_operation_name', name, of), '{{db_operation_name}}']],
      'From when a connection is there to the last row.',
    ),
    graph(
      'Connections',
      'number',
      [
        [
          `sum by (db_client_connection_pool_name, db_client_connection_state) (db_client_connections{${of}})`,
          '{{db_client_connection_pool_name}} {{db_client_connection_state}}',
        ],
        [
          `sum by (db_client_connection_pool_name) (db_client_connections_pending_requests{${of}})`,
          '{{db_client_connection_pool_name}} waited for',
        ],
      ],
      'Who waits for a connection longer than a moment: see ConnectionPoolExhausted in the runbook.',
    ),
  )
}

const dependencies = (service: string) =>
  row(
    'Health',
    stat(
      'Ready',
      'number',
      [[`min(service_ready{service="${service}"})`, 'ready']],
      '1 when every instance is.',
    ),
    stat(
      'Dependencies',
      'number',
      [[`min by (dependency) (dependency_up{service="${service}"})`, '{{dependency}}']],
      '1 when every instance can use it; see DependencyDown in the runbook.',
    ),
    stat(
      'Version',
      'number',
      [[`count by (version) (build_info{service="${service}"})`, '{{version}}']],
      'Instances of each.',
    ),
  )

const runtime = (service: string) => {
  const of = `service="${service}"`
  return row(
    'Runtime',
    graph(
      'Processor',
      'share',
      [[`sum by (instance) (rate(process_cpu_seconds_total{${of}}[${window}]))`, '{{instance}}']],
      'Of one core. JavaScript runs on one: near 100 % more instances are due.',
    ),
    graph(
      'Memory',
      'bytes',
      [
        [`process_resident_memory_bytes{${of}}`, '{{instance}} resident'],
        [`nodejs_heap_size_used_bytes{${of}}`, '{{instance}} heap'],
      ],
      'A line that only ever rises is a leak.',
    ),
    graph(
      'Event loop',
      'seconds',
      [[`nodejs_eventloop_lag_p99_seconds{${of}}`, '{{instance}} lag, 99th percentile']],
      'See EventLoopLags in the runbook.',
    ),
    graph(
      'Event loop in use, and garbage collection',
      'share',
      [
        [`nodejs_eventloop_utilization_ratio{${of}}`, '{{instance}} in use'],
        [
          `sum by (instance) (rate(nodejs_gc_duration_seconds_sum{${of}}[${window}]))`,
          '{{instance}} collection',
        ],
      ],
      'Shares of the time.',
    ),
  )
}

const served = row(
  'Calls over gRPC',
  graph(
    'Rate by status',
    'requests',
    [
      [
        rate('rpc_method, rpc_response_status_code', 'rpc_server_call_duration_seconds_count'),
        '{{rpc_method}} {{rpc_response_status_code}}',
      ],
    ],
    'The basket service asks for the products that go into baskets.',
  ),
  durations(
    '99th percentile',
    'seconds',
    [[quantile(0.99, 'rpc_method', 'rpc_server_call_duration_seconds', ''), '{{rpc_method}}']],
    'Compare with what the basket service sees of the same calls.',
  ),
)

const asked = row(
  'Calls to the product service',
  graph(
    'Rate by status',
    'requests',
    [
      [
        rate('rpc_method, rpc_response_status_code', 'rpc_client_call_duration_seconds_count'),
        '{{rpc_method}} {{rpc_response_status_code}}',
      ],
    ],
    'Adds that come together are one call.',
  ),
  durations(
    '99th percentile',
    'seconds',
    [[quantile(0.99, 'rpc_method', 'rpc_client_call_duration_seconds', ''), '{{rpc_method}}']],
    'With retries. Calls end after 0.4 seconds.',
  ),
  graph(
    'Circuit breaker',
    'number',
    [['max by (circuit_breaker, state) (circuit_breaker_state)', '{{circuit_breaker}} {{state}}']],
    'While it is open adds are refused at once; see CircuitBreakerOpen in the runbook.',
  ),
)

const redis = row(
  'Redis',
  graph(
    'Memory',
    'bytes',
    [
      ['max by (server) (redis_memory_used_bytes)', '{{server}} used'],
      ['max by (server) (redis_memory_max_bytes)', '{{server}} limit'],
    ],
    'A limit of 0 is none. See RedisMemoryHigh in the runbook.',
  ),
  graph(
    'Baskets expired',
    'operations',
    [['sum(rate(shop_baskets_expired_total[$__rate_interval]))', 'baskets']],
    'Nobody wrote to them for a day.',
  ),
)

const parts = (service: string) => [
  dependencies(service),
  requests(service),
  useCases(service),
  store(service),
  runtime(service),
]

export const productDashboard = dashboard(
  'shop-product',
  'Shop: product service',
  'From its requests down to PostgreSQL and the runtime.',
  parts('product-service').toSpliced(2, 0, served),
)

export const basketDashboard = dashboard(
  'shop-basket',
  'Shop: basket service',
  'From its requests down to Redis, the product service and the runtime.',
  parts('basket-service').toSpliced(4, 0, asked, redis),
)
