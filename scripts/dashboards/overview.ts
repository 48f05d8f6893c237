import { basketsNow, basketValueNow, productsNow } from './business.ts'
import { dashboard, durations, graph, row, stat } from './panels.ts'
import { customers, httpDuration, quantile } from './service.ts'

const failed = `${httpDuration}_count{${customers}, http_response_status_code=~"5.."}`
const all = `${httpDuration}_count{${customers}}`

/** Of the failures that 30 days may have by the objective, 99.9 %. */
const budgetLeft = `1 - (
  sum by (service) (increase(${failed}[30d]))
  or 0 * sum by (service) (increase(${all}[30d]))
) / sum by (service) (increase(${all}[30d])) / 0.001`

export const overviewDashboard = dashboard(
  'shop-overview',
  'Shop: overview',
  'Do customers get what they ask for? Rate, errors and duration of both services.',
  [
    row(
      'Now',
      stat(
        'Alerts',
        'number',
        [['count(ALERTS{alertstate="firing"}) or vector(0)', 'firing']],
        'The runbook has a paragraph on each.',
      ),
      stat(
        'Instances',
        'number',
        [['sum by (job) (up{job="shop"})', 'answering']],
        'That Prometheus gets an answer from.',
      ),
      stat(
        'Ready',
        'number',
        [['sum by (service) (service_ready)', '{{service}}']],
        'Instances that balancers may send requests to.',
      ),
      stat(
        'Dependencies',
        'number',
        [['min by (service, dependency) (dependency_up)', '{{service}}: {{dependency}}']],
        '0 when an instance cannot use it.',
      ),
    ),
    row(
      'Rate, errors, duration',
      graph(
        'Requests',
        'requests',
        [['service:http_requests:rate5m', '{{service}}']],
        'Without health checks and scrapes.',
      ),
      graph(
        'Failed by us',
        'share',
        [['service:http_errors:ratio_rate5m', '{{service}}']],
        'The objective is less than 0.1 % over 30 days; see ErrorBudgetBurnsFast in the runbook.',
      ),
      durations(
        'Duration',
        'seconds',
        [
          [quantile(0.5, 'service', httpDuration, customers), '{{service}} median'],
          [quantile(0.99, 'service', httpDuration, customers), '{{service}} 99th percentile'],
        ],
        'The points are requests that were traced.',
      ),
    ),
    row(
      'Objective',
      stat(
        'Error budget left',
        'share',
        [[budgetLeft, '{{service}}']],
        'Of 30 days. Below zero the objective is missed.',
      ),
      stat(
        'Burns',
        'number',
        [['service:http_errors:ratio_rate1h / 0.001', '{{service}}']],
        'How many times as fast as the budget allows: 1 uses it up in 30 days, 14.4 in two. Over the last hour.',
      ),
    ),
    row('The shop', productsNow, basketsNow, basketValueNow),
  ],
)
