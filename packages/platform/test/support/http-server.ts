import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { recordingLogger } from '../../../../tests/support/logger.ts'
import { createHealth, type Dependency } from '../../src/health.ts'
import { createHttpServer, type EdgeConfig } from '../../src/http-server.ts'
import type { Logger } from '../../src/logger.ts'
import { createMetrics } from '../../src/metrics.ts'

type Options = Readonly<{
  routes?: FastifyPluginAsyncTypebox
  dependencies?: readonly Dependency[]
  logger?: Logger
  config?: Partial<EdgeConfig>
}>

/** A server as the services have it, with the lines of its log; closed when disposed of. */
export const startServer = async ({ routes, dependencies = [], logger, config = {} }: Options = {}) => {
  const recording = recordingLogger()
  const metrics = createMetrics('test-service', '1.0.0')
  const health = createHealth('test-service', '1.0.0', dependencies)
  const { app } = await createHttpServer({
    title: 'Test service',
    version: '1.0.0',
    schemas: [],
    routes: routes ?? (async () => {}),
    logger: logger ?? recording.logger,
    metrics,
    health,
    config,
  })
  return {
    app,
    lines: recording.lines,
    metrics,
    health,
    activeRequests: async () => (await metrics.httpActiveRequests.get()).values[0]?.value ?? 0,
    [Symbol.asyncDispose]: () => app.close(),
  }
}
