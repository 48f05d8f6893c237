import { anyAddress } from '@shop/platform/edges.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { exposeHealth } from '@shop/platform/health/metrics.ts'
import { createHttpServer, type HttpConfig, type HttpServerOptions } from '@shop/platform/http/server.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { exposeBusinessMetrics } from '@shop/platform/metrics/business-metrics.ts'
import { instrument } from '@shop/platform/metrics/instrument.ts'
import { createMetrics, type Metrics } from '@shop/platform/metrics/metrics.ts'
import type { Order } from '@shop/platform/process/host.ts'
import type { Adapters } from '@shop/platform/process/run-service.ts'
import manifest from '../package.json' with { type: 'json' }
import { type UseCases, useCases } from './application/use-cases.ts'
import { service } from './config.ts'
import { errorDetails } from './domain/errors.ts'
import type { Ports } from './domain/ports.ts'
import { BasketJson } from './interfaces/http/basket-json.ts'
import { basketRoutes } from './interfaces/http/basket-routes.ts'
import { basketMetrics } from './interfaces/metrics/basket-metrics.ts'

export const { version } = manifest

const createHttp = (
  use: UseCases,
  observers: Pick<HttpServerOptions, 'logger' | 'metrics' | 'health'>,
  config: Partial<HttpConfig> | undefined,
) =>
  createHttpServer({
    title: 'Basket service',
    version,
    schemas: [BasketJson],
    problemMembers: errorDetails,
    routes: basketRoutes(use),
    ...observers,
    config,
  })

/** The service, put together: ports → use cases → HTTP and metrics. */
export const createApp = async (
  { ports, dependencies }: Pick<Adapters<Ports>, 'ports' | 'dependencies'>,
  logger: Logger,
  metrics: Metrics = createMetrics(service, version),
  config: Readonly<{ http?: Partial<HttpConfig> }> = {},
) => {
  const health = createHealth(service, version, dependencies)
  exposeHealth(metrics.registry, health)
  const use = instrument(useCases(ports), metrics)
  exposeBusinessMetrics(metrics.registry, basketMetrics(use), logger)

  const server = await createHttp(use, { logger, metrics, health }, config.http)
  const { app: http } = server

  return {
    http,
    health,
    listen: async ({ http: { port } }: Readonly<{ http: { port: number } }>) => {
      await http.listen({ host: anyAddress, port })
      logger.info({ version, http_port: port }, 'started')
    },
    beginDrain: (order: Order) => {
      server.beginDrain()
      if (order === 'stop') health.stop()
    },
    [Symbol.asyncDispose]: async () => {
      health.stop()
      await http.close()
    },
  }
}
