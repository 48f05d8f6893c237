import { basketsNow, basketValueNow, productsNow } from './business.ts'
import { dashboard, durations, graph, row, stat } from './panels.ts'
import { customers, httpDuration, quantile } from './service.ts'
import { alertNames, limits, state } from './stat.ts'

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
        alertNames,
        [
          [
            'max by (alertname, service) (2 * ALERTS{alertstate="firing", severity="page"} or ALERTS{alertstate="firing", severity="ticket"})',
            '{{alertname}} {{service}}',
          ],
        ],
        'Firing alerts; pages are red. The runbook has a section for each.',
      ),
      stat(
        'Instances',
        'number',
        limits([null, 'red'], [1, 'green']),
        [['count by (service) (build_info)', '{{service}}']],
        'Instances that respond to scrapes.',
      ),
      stat(
        'Ready',
        'number',
        limits([null, 'red'], [1, 'green']),
        [['service:service_ready:sum', '{{service}}']],
        'Instances that are ready for requests from load balancers; see OneInstanceLeft in the runbook.',
      ),
      stat(
        'Dependencies',
        'number',
        state('up', 'down'),
        [['min by (service, dependency) (dependency_up)', '{{service}}: {{dependency}}']],
        'down if at least one instance cannot use the dependency.',
      ),
    ),
    row(
      'Rate, errors, duration',
      graph(
        'Requests',
        'requests',
        [['service:http_requests:rate5m', '{{service}}']],
        'Requests to the API. Health checks, scrapes, the documentation, unknown paths and preflight requests are not counted.',
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
        limits([null, 'red'], [0, 'orange'], [0.25, 'green']),
        [[budgetLeft, '{{service}}']],
        'Over the last 30 days, or since the first request if that was later. A negative value means that the objective is missed.',
      ),
      stat(
        'Burn rate',
        'number',
        limits([null, 'green'], [1, 'yellow'], [6, 'orange'], [14.4, 'red']),
        [['service:http_errors:ratio_rate1h / 0.001', '{{service}}']],
        'Over the last hour. At 1 the error budget lasts 30 days, at 14.4 two days.',
      ),
    ),
    row('The shop', productsNow, basketsNow, basketValueNow),
  ],
)
