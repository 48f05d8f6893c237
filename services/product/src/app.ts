import { descriptors } from '@shop/contracts/descriptors.ts'
import { ProductServiceService } from '@shop/contracts/product/product.ts'
import type { AuthConfig } from '@shop/platform/auth/config.ts'
import type { Identity } from '@shop/platform/auth/identity.ts'
import { openIdentity } from '@shop/platform/auth/open-identity.ts'
import { grpcHealth, grpcReflection } from '@shop/platform/grpc/health-and-reflection.ts'
import { createGrpcServer, type GrpcServerOptions } from '@shop/platform/grpc/server.ts'
import { createHealth, type Health } from '@shop/platform/health/health.ts'
import { exposeHealth } from '@shop/platform/health/metrics.ts'
import { createHttpServer, type HttpConfig, type HttpServerOptions } from '@shop/platform/http/server.ts'
import { createLimits, defaultLimits, type Limits, type LimitsConfig } from '@shop/platform/limits/limits.ts'
import { createRates } from '@shop/platform/limits/rates/rates.ts'
import { listenOn } from '@shop/platform/listen.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { exposeBusinessMetrics } from '@shop/platform/metrics/business-metrics.ts'
import { createMetrics, type Metrics } from '@shop/platform/metrics/metrics.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import type { Order } from '@shop/platform/process/host.ts'
import type { Adapters } from '@shop/platform/process/run-service.ts'
import { withStandardSteps } from '@shop/platform/standard-steps.ts'
import manifest from '../package.json' with { type: 'json' }
import { policy } from './application/policy.ts'
import { type UseCases, useCases } from './application/use-cases.ts'
import { type ProductConfig, service } from './config.ts'
import { errorDetails } from './domain/errors.ts'
import type { Ports } from './domain/ports.ts'
import { productEventLog } from './infrastructure/product-event-log.ts'
import { productService } from './interfaces/grpc/product-service.ts'
import { documentation } from './interfaces/http/product-documentation.ts'
import { ProductJson } from './interfaces/http/product-json.ts'
import { productRoutes } from './interfaces/http/product-routes.ts'
import { catalogMetrics } from './interfaces/metrics/catalog-metrics.ts'

export const { version } = manifest

/** The longest valid product is larger than the default if its characters are escaped. */
const maxBodyBytes = 256 * 1024

type AppConfig = Readonly<{
  http?: Partial<HttpConfig>
  limits?: LimitsConfig
  /** The processes of this instance. */
  workers?: number
  grpc?: Partial<ProductConfig['grpc']>
  /** How the callers are known. Without it, all callers may do everything. */
  auth?: AuthConfig
  /** Replaces what `auth` describes. */
  identity?: Identity
  /** Further steps around every use case, outside the built-in ones. */
  steps?: readonly Step[]
}>

const limitsOf = ({ limits = defaultLimits, http }: AppConfig, metrics: Metrics): Limits =>
  createLimits(limits, http?.trustProxy ?? 'off', metrics)

const createHttp = (
  use: UseCases,
  observers: Pick<HttpServerOptions, 'logger' | 'metrics' | 'health' | 'limits' | 'identity'>,
  config: Partial<HttpConfig> | undefined,
) =>
  createHttpServer({
    documentation,
    version,
    schemas: [ProductJson],
    maxBodyBytes,
    problemMembers: errorDetails,
    routes: productRoutes(use),
    ...observers,
    config,
  })

/** Creates the gRPC server with the health service and, unless disabled, reflection. */
const createGrpc = (
  use: UseCases,
  health: Health,
  observers: Omit<GrpcServerOptions, 'trustProxy'>,
  { reflection = true, trustProxy = 'off' }: Partial<ProductConfig['grpc']> = {},
) => {
  const healthService = grpcHealth(health, 'product.ProductService')
  const extensions = reflection ? [grpcReflection(descriptors)] : []
  const grpc = createGrpcServer(ProductServiceService, productService(use), { ...observers, trustProxy }, [
    healthService,
    ...extensions,
  ])
  return { grpc, healthService }
}

type ListenConfig = Readonly<{
  http: Readonly<{ host: string; port: number }>
  grpc: Readonly<{ port: number }>
}>
type Servers = Readonly<
  Record<'http' | 'grpc', Readonly<{ listen: (port: number, address: string) => Promise<number> }>>
>

const listen = async ({ http, grpc }: Servers, config: ListenConfig, logger: Logger): Promise<void> => {
  const { host, port } = config.http
  await listenOn(host, async (address) => {
    await http.listen(port, address)
    await grpc.listen(config.grpc.port, address)
  })
  logger.info({ version, http_port: port, grpc_port: config.grpc.port }, 'started')
}

const stopListening = (...servers: readonly Readonly<{ stopListening: () => void }>[]): void => {
  for (const server of servers) server.stopListening()
}

/** Assembles the service: ports → use cases → HTTP, gRPC and metrics. */
export const createApp = async (
  { ports, dependencies, shareUsage }: Pick<Adapters<Ports>, 'ports' | 'dependencies' | 'shareUsage'>,
  logger: Logger,
  metrics: Metrics = createMetrics(service, version),
  config: AppConfig = {},
) => {
  const rates = createRates({ processes: config.workers ?? 1, shareUsage, logger })
  const { auth, identity = auth && (await openIdentity(auth, { logger, metrics, rates })) } = config
  const health = createHealth(service, version, [...dependencies, ...(identity?.dependencies ?? [])])
  exposeHealth(metrics.registry, health)
  const use = withStandardSteps(useCases(ports), { metrics, policy, outer: config.steps })
  ports.events.subscribe(productEventLog(logger))
  ports.events.subscribe(({ type }) => metrics.shopEvents.inc({ event: type }))
  exposeBusinessMetrics(metrics.registry, catalogMetrics(use), logger)

  const observers = { logger, metrics, limits: limitsOf(config, metrics) }
  const server = await createHttp(use, { ...observers, health, identity }, config.http)
  const { app: http, isOverloaded } = server
  const ofCalls = { ...observers, isOverloaded, identify: identity?.identify }
  const { grpc, healthService } = createGrpc(use, health, ofCalls, config.grpc)

  return {
    http,
    grpc,
    health,
    jobs: [{ name: 'grpc-health', pauseMs: 1_000, work: healthService.refresh }, ...(identity?.jobs ?? [])],
    listen: (listenConfig: ListenConfig) => listen({ http: server, grpc }, listenConfig, logger),
    beginDrain: (order: Order) => {
      server.beginDrain()
      if (order === 'retire') return stopListening(server, grpc)
      health.stop()
      void healthService.refresh()
    },
    [Symbol.asyncDispose]: async () => {
      health.stop()
      await healthService.refresh()
      await Promise.all([http.close(), grpc.close()])
      rates[Symbol.dispose]()
    },
  }
}
