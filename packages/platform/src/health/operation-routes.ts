import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Metrics } from '../metrics/metrics.ts'
import type { Health } from './health.ts'

const HealthReport = {
  service: Type.String(),
  status: Type.Enum(['healthy', 'degraded', 'unhealthy']),
  timestamp: Type.String({ format: 'date-time' }),
  version: Type.String(),
  checks: Type.Record(
    Type.String(),
    Type.Object({ status: Type.Enum(['up', 'down']), latency_ms: Type.Number() }),
  ),
}

const tags = ['operations']

/** Whether machines ask there, again and again: such requests are not traced, and logged only when debugging. */
export const isOperational = (route = ''): boolean => route === '/metrics' || route.startsWith('/health')

/** What an operator asks: is it alive, is it ready, how is it doing. */
export const operationRoutes =
  ({ health, metrics }: Readonly<{ health: Health; metrics: Metrics }>): FastifyPluginAsyncTypebox =>
  async (app) => {
    const report = {
      200: Type.Object(HealthReport, { description: 'Healthy, or degraded: it serves' }),
      503: Type.Object(HealthReport, { description: 'Unhealthy, or stopping' }),
    }
    for (const [operationId, url, summary] of [
      ['health', '/health', 'State of the service and of what it depends on'],
      ['ready', '/health/ready', 'Whether to send requests here'],
    ] as const) {
      app.get(url, { schema: { operationId, summary, tags, response: report } }, async (_request, reply) => {
        const now = await health.report()
        return reply.code(now.status === 'unhealthy' ? 503 : 200).send(now)
      })
    }

    const liveSchema = {
      operationId: 'live',
      summary: 'Whether the process runs',
      tags,
      response: { 200: Type.Object({ status: Type.Literal('alive') }, { description: 'It runs' }) },
    }
    app.get('/health/live', { schema: liveSchema }, () => ({ status: 'alive' as const }))

    const metricsSchema = {
      operationId: 'metrics',
      summary: 'Prometheus metrics',
      tags,
    }
    app.get('/metrics', { schema: metricsSchema }, async ({ headers }, reply) => {
      const wanted = headers.accept?.includes('application/openmetrics-text') === true
      const { contentType, text } = await metrics.scrape(wanted)
      return reply.type(contentType).send(text)
    })
  }
