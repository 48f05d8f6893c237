import { exposeFigures } from '@shop/platform/figures.ts'
import { createHealth } from '@shop/platform/health.ts'
import { exposeHealth } from '@shop/platform/health-metrics.ts'
import { createHttpServer, type EdgeConfig } from '@shop/platform/http-server.ts'
import { instrument } from '@shop/platform/instrument.ts'
import type { Logger } from '@shop/platform/logger.ts'
import { createMetrics, type Metrics } from '@shop/platform/metrics.ts'
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

  const { app: http } = await createHttpServer({
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
      await http.listen({ host: '0.0.0.0', port: PORT })
      logger.info({ version, http_port: PORT }, 'started')
    },
    announceStop: health.stop,
    [Symbol.asyncDispose]: async () => {
      health.stop()
      await http.close()
    },
  }
}
