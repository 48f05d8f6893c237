import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Health } from '../../health/health.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import { shareIdentical } from '../../resilience/share-identical.ts'
import { reference } from '../openapi.ts'
import { addVary, preferredType } from '../responses/negotiation.ts'

const HealthCheck = Type.Object(
  {
    status: Type.Enum(['up', 'down']),
    latency_ms: Type.Number(),
    reason: Type.Optional(Type.String({ description: 'Why the dependency is down, if known' })),
  },
  { title: 'HealthCheck' },
)

const HealthJson = Type.Object(
  {
    service: Type.String(),
    status: Type.Enum(['healthy', 'degraded', 'unhealthy']),
    timestamp: Type.String({ format: 'date-time' }),
    version: Type.String(),
    checks: Type.Record(Type.String(), HealthCheck, { description: 'The dependencies, by name' }),
  },
  { $id: 'Health', title: 'Health' },
)

const reportResponses = {
  200: reference(HealthJson, 'Healthy or degraded: the service accepts requests'),
  503: reference(HealthJson, 'Unhealthy or stopping'),
}

const Alive = Type.Object(
  { status: Type.Literal('alive') },
  { title: 'Alive', description: 'The process is running', examples: [{ status: 'alive' }] },
)

const textOf = (example: string) => ({ schema: Type.String(), example })

const metricsResponses = {
  200: {
    description: 'The current values; in OpenMetrics, with exemplars, if `Accept` asks for it',
    content: {
      'text/plain': textOf('# TYPE http_server_active_requests gauge\nhttp_server_active_requests 1\n'),
      'application/openmetrics-text': textOf(
        '# TYPE http_server_active_requests gauge\nhttp_server_active_requests 1\n# EOF\n',
      ),
    },
  },
}

const tags = ['operations']

const config = { isOpen: true } as const

const reports = [
  [
    'health',
    '/health',
    'State of the service and its dependencies',
    'For people and dashboards. Each dependency is asked, for at most a second.',
  ],
  [
    'ready',
    '/health/ready',
    'Whether this instance is ready for requests',
    'For load balancers: 503 while a required dependency is down, and while the service stops.',
  ],
] as const
const openMetrics = 'application/openmetrics-text'

/**
 * Scrapes at the same time share one of each format, also its compressed body: collecting and formatting blocks the event
 * loop for milliseconds. A scrape never gets values from before it was requested.
 */
const shareScrapes = ({ scrape }: Pick<Metrics, 'scrape'>) =>
  shareIdentical(String, async (inOpenMetrics: boolean) => {
    const { contentType, text } = await scrape(inOpenMetrics)
    return { contentType, body: Buffer.from(text) }
  })

type ScrapeBody = Readonly<{ contentType: string; body: Buffer }>

const sendScrape = (reply: FastifyReply, { contentType, body }: ScrapeBody) => {
  addVary(reply, 'Accept')
  return reply.type(contentType).send(body)
}

const liveSchema = {
  operationId: 'live',
  summary: 'Whether the process is running',
  description: 'For liveness probes: asks no dependency.',
  tags,
  response: { 200: Alive },
}

/** The liveness probe alone, for the public port of a service whose other routes for operators are on another port. */
export const livenessRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/health/live', { schema: liveSchema, config }, () => ({ status: 'alive' as const }))
}

/** The routes for operators: health report, readiness and liveness probes, and metrics. */
export const operationRoutes =
  ({ health, metrics }: Readonly<{ health: Health; metrics: Metrics }>): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.addSchema(HealthJson)
    for (const [operationId, url, summary, description] of reports) {
      app.get(
        url,
        { schema: { operationId, summary, description, tags, response: reportResponses }, config },
        async (_request, reply) => {
          const report = await health.report()
          return reply.code(report.status === 'unhealthy' ? 503 : 200).send(report)
        },
      )
    }

    await livenessRoute(app, {})

    const metricsSchema = {
      operationId: 'metrics',
      summary: 'Prometheus metrics',
      description: 'For Prometheus to scrape. The names and labels are in docs/metrics.md.',
      tags,
      response: metricsResponses,
    }
    const scrape = shareScrapes(metrics)
    app.get('/metrics', { schema: metricsSchema, config }, async ({ headers }, reply) => {
      const type = preferredType(headers.accept, ['text/plain', openMetrics])
      return sendScrape(reply, await scrape(type === openMetrics))
    })
  }
