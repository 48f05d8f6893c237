import { basketsNow, basketValueNow, productsNow } from './business.ts'
import { dashboard, durations, graph, row, stat } from './panels.ts'
import { customers, httpDuration, quantile } from './service.ts'

const failed = `${httpDuration}_count{${customers}, http_response_status_code=~"5(0[^1]|[^0].)"}`
const all = `${httpDuration}_count{${customers}}`

/** The unused share of the error budget: the objective of 99.9 % allows one failure in 1,000 requests over 30 days. */
const budgetLeft = `1 - (
  sum by (service) (increase(${failed}[30d]))
  or 0 * sum by (service) (increase(${all}[30d]))
) / sum by (service) (increase(${all}[30d])) / 0.001`

export const overviewDashboard = dashboard(
  'shop-overview',
  'Shop: overview',
  'Rate, errors and duration of the requests to both services, and the error budget.',
  [
    row(
      'Now',
      stat(
        'Alerts',
        'number',
        [['count(ALERTS{alertstate="firing"}) or vector(0)', 'firing']],
        'Firing alerts. The runbook has a section for each.',
      ),
      stat(
        'Instances',
        'number',
        [['sum by (job) (up{job="shop"})', 'up']],
        'Instances that respond to scrapes.',
      ),
      stat(
        'Ready',
        'number',
        [['sum by (service) (service_ready)', '{{service}}']],
        'Instances that are ready for requests from load balancers.',
      ),
      stat(
        'Dependencies',
        'number',
        [['min by (service, dependency) (dependency_up)', '{{service}}: {{dependency}}']],
        '0 if at least one instance cannot use the dependency.',
      ),
    ),
    row(
      'Rate, errors, duration',
      graph(
        'Requests',
        'requests',
        [['service:http_requests:rate5m', '{{service}}']],
        'Excludes health checks and scrapes.',
      ),
      graph(
        'Error ratio',
        'share',
        [['service:http_errors:ratio_rate5m', '{{service}}']],
        'Requests answered with 5xx, except 501. The objective is less than 0.1 % over 30 days; see ErrorBudgetBurnsFast in the runbook.',
      ),
      durations(
        'Duration',
        'seconds',
        [
          [quantile(0.5, 'service', httpDuration, customers), '{{service}} median'],
          [quantile(0.99, 'service', httpDuration, customers), '{{service}} 99th percentile'],
        ],
        'Each point is a traced request and links to its trace.',
      ),
    ),
    row(
      'Objective',
      stat(
        'Error budget left',
        'share',
        [[budgetLeft, '{{service}}']],
        'Over the last 30 days. A negative value means that the objective is missed.',
      ),
      stat(
        'Burn rate',
        'number',
        [['service:http_errors:ratio_rate1h / 0.001', '{{service}}']],
        'Over the last hour. At 1 the error budget lasts 30 days, at 14.4 two days.',
      ),
    ),
    row('The shop', productsNow, basketsNow, basketValueNow),
  ],
)
