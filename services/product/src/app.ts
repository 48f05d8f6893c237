import { join } from 'node:path'
import { ProductServiceService } from '@shop/contracts/product/product.ts'
import { exposeFigures } from '@shop/platform/figures.ts'
import { grpcHealth, grpcReflection } from '@shop/platform/grpc-operations.ts'
import { createGrpcServer } from '@shop/platform/grpc-server.ts'
import { createHealth } from '@shop/platform/health.ts'
import { exposeHealth } from '@shop/platform/health-metrics.ts'
import { createHttpServer, type EdgeConfig } from '@shop/platform/http-server.ts'
import { instrument } from '@shop/platform/instrument.ts'
import type { Logger } from '@shop/platform/logger.ts'
import { createMetrics, type Metrics } from '@shop/platform/metrics.ts'
import { type Order, readyToListen } from '@shop/platform/worker.ts'
import manifest from '../package.json' with { type: 'json' }
import { useCases } from './application/use-cases.ts'
import type { ProductConfig } from './config.ts'
import type { Adapters } from './infrastructure/adapters.ts'
import { withProductEvents } from './infrastructure/product-events.ts'
import { productService } from './interfaces/grpc/product-service.ts'
import { ProductJson } from './interfaces/http/product-json.ts'
import { productRoutes } from './interfaces/http/product-routes.ts'
import { catalogueMetrics } from './interfaces/metrics/catalogue-metrics.ts'

export const service = 'product-service'
export const { version } = manifest

const protoFolder = join(import.meta.dirname, '../../../api/proto')

/** The service, put together: ports → use cases → HTTP, gRPC and metrics. */
export const createApp = async (
  { ports, dependencies }: Pick<Adapters, 'ports' | 'dependencies'>,
  logger: Logger,
  metrics: Metrics = createMetrics(service, version),
  config: Partial<EdgeConfig & Pick<ProductConfig, 'REFLECTION'>> = {},
) => {
  const health = createHealth(service, version, dependencies)
  exposeHealth(metrics.registry, health)
  const products = withProductEvents(ports.products, logger)
  const use = instrument(useCases({ ...ports, products }), metrics)
  exposeFigures(metrics.registry, catalogueMetrics(use), logger)

  const {
    app: http,
    drain,
    isOverloaded,
  } = await createHttpServer({
    title: 'Product service',
    version,
    schemas: [ProductJson],
    routes: productRoutes(use),
    logger,
    metrics,
    health,
    config,
  })
  const healthService = grpcHealth(health, 'product.ProductService')
  const reflection = config.REFLECTION === 'off' ? [] : [grpcReflection(protoFolder, 'product/product.proto')]
  const grpc = createGrpcServer(
    ProductServiceService,
    productService(use),
    { logger, metrics, isOverloaded },
    [healthService, ...reflection],
  )

  return {
    http,
    grpc,
    listen: async ({ PORT, GRPC_PORT }: Readonly<{ PORT: number; GRPC_PORT: number }>) => {
      await readyToListen(health)
      await http.listen({ host: '0.0.0.0', port: PORT })
      await grpc.listen(GRPC_PORT)
      logger.info({ version, http_port: PORT, grpc_port: GRPC_PORT }, 'started')
    },
    /** Clients are to go elsewhere: to another instance, or, when the order is to leave, to another worker of this one. */
    announce: (order: Order) => {
      drain()
      if (order === 'leave') return
      health.stop()
      void healthService.refresh()
    },
    [Symbol.asyncDispose]: async () => {
      health.stop()
      await healthService.refresh()
      await Promise.all([http.close(), grpc.close()])
      healthService[Symbol.dispose]()
    },
  }
}
