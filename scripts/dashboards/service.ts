import { dashboard, durations, graph, row, stat } from './panels.ts'
import { names, state } from './stat.ts'

const window = '$__rate_interval'
const api = '/(products|baskets)(/.*)?'
/** The requests of customers, as in deploy/observability/rules/recording.yml. */
export const customers = `http_route=~"${api}", http_request_method!~"OPTIONS|_OTHER"`
/** Other requests, without health checks and scrapes. */
const others = [
  `http_route!~"${api}|/health.*|/metrics"`,
  `http_route=~"${api}", http_request_method=~"OPTIONS|_OTHER"`,
]

/** Events per second, by labels: of a counter, or of the `_count` of a histogram. */
export const rate = (by: string, series: string): string => `sum by (${by}) (rate(${series}[${window}]))`

/** The duration that the given share of the events does not exceed. */
export const quantile = (share: number, by: string, name: string, matchers: string): string =>
  `histogram_quantile(${share}, sum by (le, ${by}) (rate(${name}_bucket{${matchers}}[${window}])))`

export const httpDuration = 'http_server_request_duration_seconds'

const requests = (service: string) => {
  const matchers = `service="${service}", ${customers}`
  const labels = 'http_request_method, http_route, http_response_status_code'
  return row(
    'HTTP requests',
    graph(
      'Rate by route',
      'requests',
      [
        [
          rate('http_request_method, http_route', `${httpDuration}_count{${matchers}}`),
          '{{http_request_method}} {{http_route}}',
        ],
      ],
      'A route whose rate drops to zero can be as bad as one that fails.',
    ),
    graph(
      'Responses by status',
      'requests',
      [
        [
          rate('http_response_status_code', `${httpDuration}_count{${matchers}}`),
          '{{http_response_status_code}}',
        ],
      ],
      '4xx: an invalid request, or one that a rule refuses. 5xx: our failure; see ErrorBudgetBurnsFast in the runbook.',
    ),
    durations(
      '99th percentile by route',
      'seconds',
      [[quantile(0.99, 'http_route', httpDuration, matchers), '{{http_route}}']],
      'See RequestsSlow in the runbook. The points are traced requests.',
    ),
    graph(
      'Other requests',
      'requests',
      others.map((matcher) => [
        rate(labels, `${httpDuration}_count{service="${service}", ${matcher}}`),
        '{{http_request_method}} {{http_route}} {{http_response_status_code}}',
      ]),
      'Documentation, preflight requests and paths that do not exist (unmatched). The alerts do not count them.',
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
      'All protocols together.',
    ),
    durations(
      '99th percentile',
      'seconds',
      [[quantile(0.99, 'use_case', name, `service="${service}"`), '{{use_case}}']],
      'If requests are slow but use cases are not, look at the network and the event loop.',
    ),
    graph(
      'Idempotency keys used before',
      'operations',
      [[rate('outcome', `idempotency_keys_total{service="${service}"}`), '{{outcome}}']],
      'replayed: a retry of a write that had taken effect, so clients lose responses. reused: by a different request, which is a bug of the client. See docs/retries.md.',
    ),
  )
}

/** Only for PostgreSQL: requests to Redis share a connection and do not wait for one. */
const pendingRequests = (service: string) =>
  service === 'product-service'
    ? [
        [
          `sum by (db_client_connection_pool_name) (db_client_connections_pending_requests{service="${service}"})`,
          '{{db_client_connection_pool_name}} waiting requests',
        ] as const,
      ]
    : []

const store = (service: string) => {
  const name = 'db_client_operation_duration_seconds'
  const matchers = `service="${service}"`
  return row(
    'Store',
    graph(
      'Operations by outcome',
      'operations',
      [
        [
          rate('db_operation_name, outcome', `${name}_count{${matchers}}`),
          '{{db_operation_name}} {{outcome}}',
        ],
      ],
      'Concurrent reads that are batched count as one operation.',
    ),
    durations(
      '99th percentile',
      'seconds',
      [[quantile(0.99, 'db_operation_name', name, matchers), '{{db_operation_name}}']],
      'From getting a connection to receiving the last row.',
    ),
    graph(
      'Connections',
      'number',
      [
        [
          `sum by (db_client_connection_pool_name, db_client_connection_state) (db_client_connections{${matchers}})`,
          '{{db_client_connection_pool_name}} {{db_client_connection_state}}',
        ],
        ...pendingRequests(service),
      ],
      'If requests keep waiting for connections, see ConnectionPoolExhausted in the runbook.',
    ),
  )
}

const dependencies = (service: string) =>
  row(
    'Health',
    stat(
      'Ready',
      'number',
      state('ready', 'not ready'),
      [[`min by (service) (service_ready{service="${service}"})`, '{{service}}']],
      'Ready if every instance is; see /health of the others.',
    ),
    stat(
      'Dependencies',
      'number',
      state('up', 'down'),
      [[`min by (dependency) (dependency_up{service="${service}"})`, '{{dependency}}']],
      'up if every instance can use the dependency; see DependencyDown in the runbook.',
    ),
    graph(
      'Circuit breaker',
      'number',
      [
        [
          `max by (circuit_breaker, state) (circuit_breaker_state{service="${service}"})`,
          '{{circuit_breaker}} {{state}}',
        ],
      ],
      'While it is open, calls to the dependency fail at once; see CircuitBreakerOpen in the runbook.',
    ),
    stat(
      'Version',
      'number',
      names,
      [[`count by (version) (build_info{service="${service}"})`, '{{version}}']],
      'The versions that run: two of them during an upgrade.',
    ),
  )

const runtime = (service: string) => {
  const matchers = `service="${service}"`
  return row(
    'Runtime',
    graph(
      'CPU',
      'share',
      [[`sum by (instance) (rate(process_cpu_seconds_total{${matchers}}[${window}]))`, '{{instance}}']],
      '100 % is one core, the most that JavaScript uses. Close to it, add instances.',
    ),
    graph(
      'Memory',
      'bytes',
      [
        [`process_resident_memory_bytes{${matchers}}`, '{{instance}} resident'],
        [`nodejs_heap_size_used_bytes{${matchers}}`, '{{instance}} heap'],
      ],
      'A line that never stops rising is a leak.',
    ),
    graph(
      'Event loop',
      'seconds',
      [[`nodejs_eventloop_lag_p99_seconds{${matchers}}`, '{{instance}} lag, 99th percentile']],
      'See EventLoopLags in the runbook.',
    ),
    graph(
      'Event loop utilization and garbage collection',
      'share',
      [
        [`nodejs_eventloop_utilization_ratio{${matchers}}`, '{{instance}} event loop'],
        [
          `sum by (instance) (rate(nodejs_gc_duration_seconds_sum{${matchers}}[${window}]))`,
          '{{instance}} garbage collection',
        ],
      ],
      'The share of time that each takes.',
    ),
  )
}

const grpcServer = row(
  'gRPC calls',
  graph(
    'Rate by status',
    'requests',
    [
      [
        rate('rpc_method, rpc_response_status_code', 'rpc_server_call_duration_seconds_count'),
        '{{rpc_method}} {{rpc_response_status_code}}',
      ],
    ],
    'The basket service calls this service for the products that are added to baskets.',
  ),
  durations(
    '99th percentile',
    'seconds',
    [[quantile(0.99, 'rpc_method', 'rpc_server_call_duration_seconds', ''), '{{rpc_method}}']],
    'Compare with the duration of the same calls on the dashboard of the basket service.',
  ),
)

const grpcClient = row(
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
    'Concurrent adds share one call.',
  ),
  durations(
    '99th percentile',
    'seconds',
    [[quantile(0.99, 'rpc_method', 'rpc_client_call_duration_seconds', ''), '{{rpc_method}}']],
    'Including retries. The deadline is 0.4 seconds.',
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
    'A limit of 0 means no limit. See RedisMemoryHigh in the runbook.',
  ),
  graph(
    'Evicted keys',
    'number',
    [['max(redis_evicted_keys_total)', 'keys']],
    'Baskets that Redis has removed to free memory. See RedisEvicts in the runbook.',
  ),
  graph(
    'Expired baskets',
    'operations',
    [['sum(rate(shop_baskets_expired_total[$__rate_interval]))', 'baskets']],
    'Baskets that were not written to for BASKET_TTL_SECONDS, by default a day.',
  ),
)

/** Only for Redis: without it, each process counts by itself. */
const sharedLimits = (service: string) =>
  service === 'basket-service'
    ? [
        graph(
          'Rate limits are shared',
          'number',
          [[`min by (instance) (rate_limits_shared{service="${service}"})`, '{{instance}}']],
          '1 while all processes count together in Redis, 0 while each counts by itself; see RateLimitsNotShared in the runbook.',
        ),
      ]
    : []

/** What docs/limits.md describes. */
const limits = (service: string) => {
  const matchers = `service="${service}"`
  const refused = `requests_refused_total{${matchers}}`
  return row(
    'Limits',
    graph(
      'Refused by reason',
      'requests',
      [[rate('reason, scope', refused), '{{reason}}: {{scope}}']],
      'Of clients that have used up their share (client), or because the total is used up (total); see ClientRefused and LimitReached in the runbook.',
    ),
    graph(
      'Authentications',
      'operations',
      [[rate('credentials, outcome', `authentications_total{${matchers}}`), '{{credentials}} {{outcome}}']],
      'Credentials that were checked, or are known. None with AUTH=off. See AuthenticationsRefused and AuthenticationUnavailable in the runbook.',
    ),
    ...sharedLimits(service),
    graph(
      'Connections from clients',
      'number',
      [
        [
          `max by (transport, class) (server_connections{${matchers}})`,
          '{{transport}} {{class}}, in the busiest instance',
        ],
      ],
      'trusted are those of proxies and services in TRUST_PROXY. refused are open until their client has been told so.',
    ),
    graph(
      'Bytes of bodies and unread responses',
      'share',
      [
        [`max(request_body_bytes{${matchers}} / request_body_max_bytes{${matchers}})`, 'request bodies'],
        [
          `max(unread_response_bytes{${matchers}} / unread_response_max_bytes{${matchers}})`,
          'unread responses',
        ],
      ],
      'Of their limits, in the instance that uses most; with several WORKERS, all of its processes together.',
    ),
    graph(
      'Responses cut off',
      'operations',
      [[rate('reason', `responses_cut_total{${matchers}}`), '{{reason}}']],
      'Their clients did not take them in time (stalled), or had to make room for others (evicted).',
    ),
  )
}

/** What docs/tls.md describes. */
const tls = (service: string) => {
  const matchers = `service="${service}"`
  return row(
    'TLS',
    graph(
      'Time until certificates expire',
      'seconds',
      [[`min by (certificate) (tls_certificate_expiry_seconds{${matchers}})`, '{{certificate}}']],
      'Empty if the service does not end TLS. See TlsCertificateExpires in the runbook.',
    ),
    graph(
      'Failed handshakes',
      'operations',
      [[rate('transport, reason', `tls_handshake_failures_total{${matchers}}`), '{{transport}} {{reason}}']],
      'docs/tls.md describes the reasons. closed is also what the checks of load balancers do.',
    ),
  )
}

const parts = (service: string) => [
  dependencies(service),
  requests(service),
  useCases(service),
  store(service),
  limits(service),
  tls(service),
  runtime(service),
]

export const productDashboard = dashboard(
  'shop-product',
  'Shop: product service',
  'From its requests down to PostgreSQL and the runtime.',
  parts('product-service').toSpliced(2, 0, grpcServer),
)

export const basketDashboard = dashboard(
  'shop-basket',
  'Shop: basket service',
  'From its requests down to Redis, the product service and the runtime.',
  parts('basket-service').toSpliced(4, 0, grpcClient, redis),
)
