import { availableParallelism } from 'node:os'
import { isOn } from '../config/variables.ts'
import type { HttpConfig } from '../http/server.ts'
import type { LogConfig } from '../logging/logger.ts'
import type { TracingConfig } from '../tracing/config.ts'
import type { ServiceVariables } from './service-variables.ts'

export type ShutdownConfig = Readonly<{
  /** How long a service that was told to stop goes on serving, so that balancers notice. */
  delayMs: number
}>

/** The sections of a configuration that every service has. */
export type ServiceConfig = Readonly<{
  http: HttpConfig & Readonly<{ port: number }>
  logging: LogConfig
  /** Without it no span is made. */
  tracing: TracingConfig | undefined
  shutdown: ShutdownConfig
  /** How many processes serve the port. */
  workers: number
}>

const loggingOf = (given: ServiceVariables, service: string, secrets: readonly string[]): LogConfig => {
  const development = given.ENVIRONMENT === 'development'
  return {
    level: given.LOG_LEVEL ?? (development ? 'debug' : 'info'),
    format: given.LOG_FORMAT ?? (development ? 'text' : 'json'),
    output: given.LOG_OUTPUT,
    folder: given.LOG_DIR,
    file: given.LOG_FILE ?? `${service}.log`,
    secrets,
  }
}

const tracingOf = (given: ServiceVariables): TracingConfig | undefined =>
  given.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
    ? undefined
    : {
        endpoint: given.OTEL_EXPORTER_OTLP_ENDPOINT,
        timeoutMs: given.OTEL_EXPORTER_OTLP_TIMEOUT,
        environment: given.ENVIRONMENT,
        serviceName: given.OTEL_SERVICE_NAME,
        sampler: given.OTEL_TRACES_SAMPLER,
        samplerRatio: Number(given.OTEL_TRACES_SAMPLER_ARG),
      }

/** The sections as the variables say. `secrets` names the variables that hold credentials. */
export const serviceSections = (
  service: string,
  given: ServiceVariables & Readonly<{ PORT: number }>,
  secrets: readonly string[],
): ServiceConfig => ({
  http: {
    port: given.PORT,
    docs: isOn(given.DOCS),
    corsOrigins: given.CORS_ORIGINS,
    maxEventLoopDelayMs: given.MAX_EVENT_LOOP_DELAY_MS,
  },
  logging: loggingOf(given, service, secrets),
  tracing: tracingOf(given),
  // In production until every balancer has noticed.
  shutdown: {
    delayMs: (given.SHUTDOWN_DELAY_SECONDS ?? (given.ENVIRONMENT === 'development' ? 0 : 5)) * 1_000,
  },
  workers: given.WORKERS === 'auto' ? availableParallelism() : Number(given.WORKERS),
})
