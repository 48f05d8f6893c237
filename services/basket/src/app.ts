import { defaultCurrency } from '@shop/kernel/currency.ts'
import { type AccessConfig, openAccessControl } from '@shop/platform/access-control.ts'
import type { AuditConfig } from '@shop/platform/audit/config.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { exposeHealth } from '@shop/platform/health/metrics.ts'
import { createHttpServers } from '@shop/platform/http/operations/http-servers.ts'
import type { HttpConfig, HttpServerOptions } from '@shop/platform/http/server.ts'
import { jobsOf } from '@shop/platform/job.ts'
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
import { service } from './config.ts'
import { errorDetails } from './domain/errors.ts'
import type { Ports } from './domain/ports.ts'
import { containsGuestId } from './domain/user-id.ts'
import { basketEventLog } from './infrastructure/basket-event-log.ts'
import { documentation } from './interfaces/http/basket-documentation.ts'
import { BasketJson } from './interfaces/http/basket-json.ts'
import { basketRoutes } from './interfaces/http/basket-routes.ts'
import { knownGuestOf } from './interfaces/http/known-guest.ts'
import { basketMetrics } from './interfaces/metrics/basket-metrics.ts'
import { expiredBaskets } from './jobs/expired-baskets.ts'
import { wireUseCases } from './wire-use-cases.ts'

export const { version } = manifest

type AppConfig = AccessConfig &
  Readonly<{
    http?: Partial<HttpConfig>
    /** The currency of all amounts, by default the default of the variable. */
    currency?: string
    /** How many baskets one client may create per hour. No limit if it is 0 or missing. */
    newBasketsPerHour?: number
    /** Whether baskets of guests may be used. */
    guests?: boolean
    /** Where to write what callers do. Without it, nowhere. */
    audit?: AuditConfig | undefined
    /** Extra steps around every use case, outside the standard ones. */
    steps?: readonly Step[]
  }>

type Watching = Pick<
  HttpServerOptions,
  'logger' | 'metrics' | 'health' | 'limits' | 'identity' | 'rates' | 'guestOf' | 'tls'
>

const createHttp = (
  use: UseCases,
  observers: Watching,
  { http: config, currency = defaultCurrency }: AppConfig,
) =>
  createHttpServers({
    documentation,
    version,
    schemas: [BasketJson],
    problemMembers: errorDetails,
    isSecretSegment: containsGuestId,
    routes: basketRoutes(use, currency),
    ...observers,
    config,
  })

/** Logs and counts the events of baskets, and exposes their metrics. */
const observe = (
  { events }: Pick<Ports, 'events'>,
  use: UseCases,
  { logger, metrics }: Readonly<{ logger: Logger; metrics: Metrics }>,
): void => {
  events.subscribe(basketEventLog(logger))
  events.subscribe(({ type }) => metrics.shopEvents.inc({ event: type }))
  exposeBusinessMetrics(metrics.registry, basketMetrics(use), logger)
}

type ListenConfig = Readonly<{
  http: Readonly<{ host: string; port: number; operationsPort?: number | undefined }>
  tls?: TlsConfig | undefined
}>
type Server = Readonly<{ listen: (port: number, address: string) => Promise<number> }>

const listen = async (server: Server, config: ListenConfig, logger: Logger): Promise<void> => {
  const { host, port, operationsPort } = config.http
  await listenOn(host, (address) => server.listen(port, address))
  const ports = { http_port: port, operations_port: operationsPort }
  logger.info({ version, ...ports, ...(config.tls && { tls: true }) }, 'started')
}

/** Wires the service together: ports → use cases → HTTP and metrics. */
export const createApp = async (
  { ports, dependencies, jobs = [], shareUsage }: Omit<Adapters<Ports>, typeof Symbol.asyncDispose>,
  logger: Logger,
  metrics: Metrics = createMetrics(service, version),
  config: AppConfig = {},
) => {
  const access = await openAccessControl(config, shareUsage, { logger, metrics })
  const { identity, limits, tls, requestRates: rates } = access
  const health = createHealth(service, version, [...dependencies, ...(identity?.dependencies ?? [])])
  exposeHealth(metrics.registry, health)
  const { use, audit, isKnownGuest } = wireUseCases(ports, config, { logger, metrics, rates: access.rates })
  observe(ports, use, { logger, metrics })

  const ofCallers = { limits, identity, rates, guestOf: knownGuestOf(isKnownGuest), tls }
  const server = await createHttp(use, { logger, metrics, health, ...ofCallers }, config)
  const { app: http } = server

  return {
    http,
    health,
    jobs: [...jobs, ...(ports.expiry === undefined ? [] : [expiredBaskets(use)]), ...jobsOf(identity, tls)],
    listen: (listenConfig: ListenConfig) => listen(server, listenConfig, logger),
    beginDrain: (order: Order) => {
      server.beginDrain()
      if (order === 'retire') server.stopListening()
      else health.stop()
    },
    [Symbol.asyncDispose]: async () => {
      health.stop()
      await http.close()
      await server.closeOperations()
      access[Symbol.dispose]()
      audit?.[Symbol.dispose]()
    },
  }
}
