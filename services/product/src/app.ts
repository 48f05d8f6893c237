import { defaultCurrency } from '@shop/kernel/currency.ts'
import { type AccessConfig, openAccessControl } from '@shop/platform/access-control.ts'
import type { AuditConfig } from '@shop/platform/audit/config.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { exposeHealth } from '@shop/platform/health/metrics.ts'
import { createHttpServers } from '@shop/platform/http/operations/http-servers.ts'
import type { HttpConfig, HttpServerOptions } from '@shop/platform/http/server.ts'
import { type Job, jobsOf } from '@shop/platform/job.ts'
import { listenOn } from '@shop/platform/listen.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { exposeBusinessMetrics } from '@shop/platform/metrics/business-metrics.ts'
import { createMetrics, type Metrics } from '@shop/platform/metrics/metrics.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import type { Order } from '@shop/platform/process/host.ts'
import type { Adapters } from '@shop/platform/process/run-service.ts'
import type { TlsConfig } from '@shop/platform/tls/config.ts'
import manifest from '../package.json' with { type: 'json' }
import type { UseCases } from './application/use-cases.ts'
import { type ProductConfig, service } from './config.ts'
import { errorDetails } from './domain/errors.ts'
import type { Ports } from './domain/ports.ts'
import { productEventLog } from './infrastructure/product-event-log.ts'
import { createGrpc } from './interfaces/grpc/product-grpc.ts'
import { documentation } from './interfaces/http/product-documentation.ts'
import { ProductJson } from './interfaces/http/product-json.ts'
import { productRoutes } from './interfaces/http/product-routes.ts'
import { catalogMetrics } from './interfaces/metrics/catalog-metrics.ts'
import { oldWrites } from './jobs/old-writes.ts'
import { wireUseCases } from './wire-use-cases.ts'

export const { version } = manifest

/** The longest valid product is larger than the default if its characters are escaped. */
const maxBodyBytes = 256 * 1024

type AppConfig = AccessConfig &
  Readonly<{
    http?: Partial<HttpConfig>
    grpc?: Partial<ProductConfig['grpc']>
    /** The currency of all prices, by default the default of the variable. */
    currency?: string
    /** Where to write what callers do. Without it, nowhere. */
    audit?: AuditConfig | undefined
    /** Further steps around every use case, outside the built-in ones. */
    steps?: readonly Step[]
  }>

type Watching = Pick<
  HttpServerOptions,
  'logger' | 'metrics' | 'health' | 'limits' | 'identity' | 'rates' | 'tls'
>

const createHttp = (
  use: UseCases,
  observers: Watching,
  { http: config, currency = defaultCurrency }: AppConfig,
) =>
  createHttpServers({
    documentation,
    version,
    schemas: [ProductJson],
    maxBodyBytes,
    problemMembers: errorDetails,
    routes: productRoutes(use, currency),
    ...observers,
    config,
  })

/** Logs and counts the events of the catalog, and exposes its metrics. */
const observe = (
  { events }: Pick<Ports, 'events'>,
  use: UseCases,
  { logger, metrics }: Readonly<{ logger: Logger; metrics: Metrics }>,
): void => {
  events.subscribe(productEventLog(logger))
  events.subscribe(({ type }) => metrics.shopEvents.inc({ event: type }))
  exposeBusinessMetrics(metrics.registry, catalogMetrics(use), logger)
}

type ListenConfig = Readonly<{
  http: Readonly<{ host: string; port: number; operationsPort?: number | undefined }>
  grpc: Readonly<{ port: number }>
  tls?: TlsConfig | undefined
}>
type Server = Readonly<{ listen: (port: number, address: string) => Promise<number> }>

const listen = async (http: Server, grpc: Server, config: ListenConfig, logger: Logger): Promise<void> => {
  const { host, port, operationsPort } = config.http
  await listenOn(host, async (address) => {
    await http.listen(port, address)
    await grpc.listen(config.grpc.port, address)
  })
  const ports = { http_port: port, grpc_port: config.grpc.port, operations_port: operationsPort }
  logger.info({ version, ...ports, ...(config.tls && { tls: true }) }, 'started')
}

const ownJobs = (use: UseCases, { refresh }: Readonly<{ refresh: () => Promise<void> }>): readonly Job[] => [
  { name: 'grpc-health', pauseMs: 1_000, work: refresh },
  oldWrites(use),
]

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
  const access = await openAccessControl(config, shareUsage, { logger, metrics })
  const { identity, limits, tls, requestRates: rates } = access
  const health = createHealth(service, version, [...dependencies, ...(identity?.dependencies ?? [])])
  exposeHealth(metrics.registry, health)
  const { use, audit } = wireUseCases(ports, config, { logger, metrics })
  observe(ports, use, { logger, metrics })
  const observers = { logger, metrics, limits, rates, tls }
  const server = await createHttp(use, { ...observers, health, identity }, config)
  const { app: http, isOverloaded } = server
  const ofGrpc = { ...observers, isOverloaded, identify: identity?.identify }
  const { grpc, healthService } = createGrpc(use, health, ofGrpc, config)

  return {
    http,
    grpc,
    health,
    jobs: [...ownJobs(use, healthService), ...jobsOf(identity, tls)],
    listen: (listenConfig: ListenConfig) => listen(server, grpc, listenConfig, logger),
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
      await server.closeOperations()
      access[Symbol.dispose]()
      audit?.[Symbol.dispose]()
    },
  }
}
