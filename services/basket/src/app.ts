import type { AuthConfig } from '@shop/platform/auth/config.ts'
import type { Identity } from '@shop/platform/auth/identity.ts'
import { openIdentity } from '@shop/platform/auth/open-identity.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { exposeHealth } from '@shop/platform/health/metrics.ts'
import { createHttpServer, type HttpConfig, type HttpServerOptions } from '@shop/platform/http/server.ts'
import { createLimits, defaultLimits, type LimitsConfig } from '@shop/platform/limits/limits.ts'
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
import { policyOf } from './application/policy.ts'
import { type UseCases, useCases } from './application/use-cases.ts'
import { service } from './config.ts'
import { errorDetails } from './domain/errors.ts'
import type { Ports } from './domain/ports.ts'
import { containsGuestId } from './domain/user-id.ts'
import { basketEventLog } from './infrastructure/basket-event-log.ts'
import { limitNewBaskets } from './infrastructure/limited-new-baskets.ts'
import { documentation } from './interfaces/http/basket-documentation.ts'
import { BasketJson } from './interfaces/http/basket-json.ts'
import { basketRoutes } from './interfaces/http/basket-routes.ts'
import { basketMetrics } from './interfaces/metrics/basket-metrics.ts'
import { expiredBaskets } from './jobs/expired-baskets.ts'

export const { version } = manifest

type AppConfig = Readonly<{
  http?: Partial<HttpConfig>
  limits?: LimitsConfig
  /** The processes of this instance. */
  workers?: number
  /** How many baskets one client may create per hour. No limit if it is 0 or missing. */
  newBasketsPerHour?: number
  /** Whether baskets of guests may be used. */
  guests?: boolean
  /** How the callers are known. Without it, all callers may do everything. */
  auth?: AuthConfig
  /** Replaces what `auth` describes. */
  identity?: Identity
  /** Extra steps around every use case, outside the standard ones. */
  steps?: readonly Step[]
}>

const createHttp = (
  use: UseCases,
  observers: Pick<HttpServerOptions, 'logger' | 'metrics' | 'health' | 'limits' | 'identity'>,
  config: Partial<HttpConfig> | undefined,
) =>
  createHttpServer({
    documentation,
    version,
    schemas: [BasketJson],
    problemMembers: errorDetails,
    isSecretSegment: containsGuestId,
    routes: basketRoutes(use),
    ...observers,
    config,
  })

/** Wires the service together: ports → use cases → HTTP and metrics. */
export const createApp = async (
  { ports, dependencies, jobs = [], shareUsage }: Omit<Adapters<Ports>, typeof Symbol.asyncDispose>,
  logger: Logger,
  metrics: Metrics = createMetrics(service, version),
  config: AppConfig = {},
) => {
  const rates = createRates({ processes: config.workers ?? 1, shareUsage, logger })
  const { auth, identity = auth && (await openIdentity(auth, { logger, metrics, rates })) } = config
  const health = createHealth(service, version, [...dependencies, ...(identity?.dependencies ?? [])])
  exposeHealth(metrics.registry, health)
  const baskets = limitNewBaskets(ports.baskets, config.newBasketsPerHour ?? 0, { rates, metrics })
  const policy = policyOf({ guests: config.guests ?? true })
  const use = withStandardSteps(useCases({ ...ports, baskets }), { metrics, policy, outer: config.steps })
  ports.events.subscribe(basketEventLog(logger))
  ports.events.subscribe(({ type }) => metrics.shopEvents.inc({ event: type }))
  exposeBusinessMetrics(metrics.registry, basketMetrics(use), logger)

  const limits = createLimits(config.limits ?? defaultLimits, config.http?.trustProxy ?? 'off', metrics)
  const server = await createHttp(use, { logger, metrics, health, limits, identity }, config.http)
  const { app: http } = server

  return {
    http,
    health,
    jobs: [...jobs, ...(ports.expiry === undefined ? [] : [expiredBaskets(use)]), ...(identity?.jobs ?? [])],
    listen: async ({ http: { host, port } }: Readonly<{ http: { host: string; port: number } }>) => {
      await listenOn(host, (address) => server.listen(port, address))
      logger.info({ version, http_port: port }, 'started')
    },
    beginDrain: (order: Order) => {
      server.beginDrain()
      if (order === 'retire') server.stopListening()
      else health.stop()
    },
    [Symbol.asyncDispose]: async () => {
      health.stop()
      await http.close()
      rates[Symbol.dispose]()
    },
  }
}
