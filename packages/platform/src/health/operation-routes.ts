import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Metrics } from '../metrics/metrics.ts'
import { addVary, preferredType } from '../negotiation.ts'
import type { Health } from './health.ts'

const healthProperties = {
  service: Type.String(),
  status: Type.Enum(['healthy', 'degraded', 'unhealthy']),
  timestamp: Type.String({ format: 'date-time' }),
  version: Type.String(),
  checks: Type.Record(
    Type.String(),
    Type.Object({
      status: Type.Enum(['up', 'down']),
      latency_ms: Type.Number(),
      reason: Type.Optional(Type.String({ description: 'Why the dependency is down, if known' })),
    }),
  ),
}

const reportResponses = {
  200: Type.Object(healthProperties, { description: 'Healthy or degraded: the service accepts requests' }),
  503: Type.Object(healthProperties, { description: 'Unhealthy or stopping' }),
}

const tags = ['operations']

const openMetrics = 'application/openmetrics-text'

/**
 * Whether the route is polled by monitoring. Such requests are never rejected because of overload, not
 * traced, and logged only at level debug.
 */
export const isOperational = (route = ''): boolean => route === '/metrics' || route.startsWith('/health')

/** The routes for operators: health report, readiness and liveness probes, and metrics. */
export const operationRoutes =
  ({ health, metrics }: Readonly<{ health: Health; metrics: Metrics }>): FastifyPluginAsyncTypebox =>
  async (app) => {
    for (const [operationId, url, summary] of [
      ['health', '/health', 'State of the service and its dependencies'],
      ['ready', '/health/ready', 'Whether this instance is ready for requests'],
    ] as const) {
      app.get(
        url,
        { schema: { operationId, summary, tags, response: reportResponses } },
        async (_request, reply) => {
          const report = await health.report()
          return reply.code(report.status === 'unhealthy' ? 503 : 200).send(report)
        },
      )
    }

    const liveSchema = {
      operationId: 'live',
      summary: 'Whether the process is running',
      tags,
      response: {
        200: Type.Object({ status: Type.Literal('alive') }, { description: 'The process is running' }),
      },
    }
    app.get('/health/live', { schema: liveSchema }, () => ({ status: 'alive' as const }))

    const metricsSchema = {
      operationId: 'metrics',
      summary: 'Prometheus metrics',
      tags,
    }
    app.get('/metrics', { schema: metricsSchema }, async ({ headers }, reply) => {
      const type = preferredType(headers.accept, ['text/plain', openMetrics])
      const { contentType, text } = await metrics.scrape(type === openMetrics)
      addVary(reply, 'Accept')
      return reply.type(contentType).send(text)
    })
  }
