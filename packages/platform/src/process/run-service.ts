import { warnIfUnkeyed } from '../audit/config.ts'
import { warnIfOpen } from '../auth/config.ts'
import type { Environment } from '../config/variables.ts'
import type { Dependency, Health } from '../health/health.ts'
import { operationsFiles } from '../http/operations/operations-server.ts'
import type { Job } from '../job.ts'
import type { ShareUsage } from '../limits/rates/policy.ts'
import { redirectConsole } from '../logging/console.ts'
import { createLogger, type Logger } from '../logging/logger.ts'
import { createMetrics, type Metrics } from '../metrics/metrics.ts'
import { createPrivateFiles } from '../private-files.ts'
import { startTracing } from '../tracing/start.ts'
import { type Host, type Order, singleProcess } from './host.ts'
import { startJobs } from './jobs.ts'
import { run, untilStopped } from './lifecycle.ts'
import { watchOpenFiles, withinOpenFiles } from './open-files.ts'
import type { ServiceConfig } from './service-config.ts'
import { warnOfUnencrypted } from './unencrypted.ts'

/** The options for opening a service's adapters. */
export type AdapterOptions<Config> = Readonly<{
  config: Config
  logger: Logger
  metrics?: Metrics
  /** Begins the shutdown of the service. For an adapter that can never work. */
  abortService?: () => void
}>

/**
 * The opened ports of a service, the dependencies that its health checks probe, the jobs that the adapters need, and the store in
 * which the processes share the usage of rate limits.
 */
export type Adapters<Ports> = AsyncDisposable &
  Readonly<{
    ports: Ports
    dependencies: readonly Dependency[]
    jobs?: readonly Job[]
    shareUsage?: ShareUsage | undefined
  }>

/** An assembled service that is not listening yet. */
type App<Config> = AsyncDisposable &
  Readonly<{
    health: Health
    jobs: readonly Job[]
    listen: (config: Config) => Promise<void>
    /** Sends clients elsewhere: to another instance or, on `retire`, to another process of this instance. */
    beginDrain: (order: Order) => void
  }>

export type Service<Config extends ServiceConfig, Ports> = Readonly<{
  service: string
  version: string
  /** Throws `ConfigError`. */
  readConfig: (environment: Environment) => Config
  /** Keeps other instances away from the data, if it is in a folder. Throws if one uses it. Workers of one instance share it. */
  lockData?: (config: Config) => Disposable | undefined
  openAdapters: (options: AdapterOptions<Config>) => Promise<Adapters<Ports>>
  createApp: (
    adapters: Adapters<Ports>,
    logger: Logger,
    metrics: Metrics,
    config: Config,
  ) => Promise<App<Config>>
}>

const warnOfConfig = (logger: Logger, { auth, audit, unencrypted }: ServiceConfig): void => {
  warnIfOpen(logger, auth)
  warnIfUnkeyed(logger, audit)
  warnOfUnencrypted(logger, unencrypted)
}

/** For workers: the supervisor has the same limits, and says so once. */
const silent = { warn: () => {} }

/** Runs a service in this process, from reading the configuration until the process exits. */
export const runService = <Config extends ServiceConfig, Ports>(
  { service, version, readConfig, lockData, openAdapters, createApp }: Service<Config, Ports>,
  host: Host = singleProcess,
): Promise<void> =>
  run(async () => {
    createPrivateFiles()
    const config = readConfig(process.env)
    const logger = await createLogger({ service, ...host.logFields }, config.logging)
    redirectConsole(logger)
    if (!host.isWorker) warnOfConfig(logger, config)
    const ownFiles = config.http.operationsPort === undefined ? 0 : operationsFiles
    const limits = withinOpenFiles(config.limits, host.isWorker ? silent : logger, ownFiles)
    using _ = host.isWorker ? undefined : lockData?.(config)
    if (await host.supervise(service, config, logger)) return
    host.handleHangup(logger)
    await using stack = new AsyncDisposableStack()
    stack.use(await startTracing({ service, version }, config.tracing, logger))
    const metrics = createMetrics(service, version, host.scrapeAll)
    const { abortService } = host
    const adapters = stack.use(await openAdapters({ config, logger, metrics, abortService }))
    stack.defer(host.flushMetrics)
    stack.use(watchOpenFiles(logger))
    const app = stack.use(await createApp(adapters, logger, metrics, { ...config, limits }))
    stack.use(startJobs(app.jobs, { logger, metrics }))
    if (!(await host.readyToListen(app.health))) return
    await app.listen(config)
    await untilStopped(logger, config.shutdown, host, app.beginDrain)
  })
