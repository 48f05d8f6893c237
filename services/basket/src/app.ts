import { exposeFigures } from '@shop/platform/figures.ts'
import { createHealth } from '@shop/platform/health.ts'
import { exposeHealth } from '@shop/platform/health-metrics.ts'
import { createHttpServer, type EdgeConfig } from '@shop/platform/http-server.ts'
import { instrument } from '@shop/platform/instrument.ts'
import type { Logger } from '@shop/platform/logger.ts'
import { createMetrics, type Metrics } from '@shop/platform/metrics.ts'
import { type Order, readyToListen } from '@shop/platform/worker.ts'
import manifest from '../package.json' with { type: 'json' }
import { useCases } from './application/use-cases.ts'
import type { Adapters } from './infrastructure/adapters.ts'
import { BasketJson } from './interfaces/http/basket-json.ts'
import { basketRoutes } from './interfaces/http/basket-routes.ts'
import { basketMetrics } from './interfaces/metrics/basket-metrics.ts'

export const service = 'basket-service'
export const { version } = manifest

/** The service, put together: ports → use cases → HTTP and metrics. */
export const createApp = async (
  { ports, dependencies }: Pick<Adapters, 'ports' | 'dependencies'>,
  logger: Logger,
  metrics: Metrics = createMetrics(service, version),
  config: Partial<EdgeConfig> = {},
) => {
  const health = createHealth(service, version, dependencies)
  exposeHealth(metrics.registry, health)
  const use = instrument(useCases(ports), metrics)
  exposeFigures(metrics.registry, basketMetrics(use), logger)

  const { app: http, drain } = await createHttpServer({
    title: 'Basket service',
    version,
    schemas: [BasketJson],
    routes: basketRoutes(use),
    logger,
    metrics,
    health,
    config,
  })

  return {
    http,
    listen: async ({ PORT }: Readonly<{ PORT: number }>) => {
      await readyToListen(health)
      await http.listen({ host: '0.0.0.0', port: PORT })
      logger.info({ version, http_port: PORT }, 'started')
    },
    /** Clients are to go elsewhere: to another instance, or, when the order is to leave, to another worker of this one. */
    announce: (order: Order) => {
      drain()
      if (order === 'stop') health.stop()
    },
    [Symbol.asyncDispose]: async () => {
      health.stop()
      await http.close()
    },
  }
}
