import { availableParallelism } from 'node:os'
import { type AuditConfig, auditConfigOf } from '../audit/config.ts'
import { type AuthConfig, authConfigOf } from '../auth/config.ts'
import { isLocalHost } from '../config/local-host.ts'
import { isOn } from '../config/variables.ts'
import type { HttpConfig } from '../http/server.ts'
import { defaultLimits, type LimitsConfig, mebibyte } from '../limits/limits.ts'
import type { RatesConfig } from '../limits/rates/request-rates.ts'
import { ratesConfigOf } from '../limits/rates/variables.ts'
import type { LogConfig } from '../logging/logger.ts'
import { type TlsConfig, tlsConfigOf } from '../tls/config.ts'
import type { TracingConfig } from '../tracing/config.ts'
import type { ServiceVariables } from './service-variables.ts'
import type { Unencrypted } from './unencrypted.ts'

export type ShutdownConfig = Readonly<{
  /** How long a stopping service keeps serving, so that load balancers notice that it is not ready. */
  delayMs: number
}>

/** The sections of a configuration that every service has. */
export type ServiceConfig = Readonly<{
  http: HttpConfig & Readonly<{ host: string; port: number }>
  /** The ISO 4217 code of the currency of all amounts. */
  currency: string
  auth: AuthConfig
  /** Undefined if there is no audit log. */
  audit: AuditConfig | undefined
  /** Undefined if the service does not end TLS. */
  tls: TlsConfig | undefined
  limits: LimitsConfig
  rates: RatesConfig
  logging: LogConfig
  /** Undefined turns tracing off. */
  tracing: TracingConfig | undefined
  shutdown: ShutdownConfig
  /** The number of processes that serve the port. */
  workers: number
  /** What the service warns of at start: see `unencryptedTargets`. */
  unencrypted: readonly Unencrypted[]
}>

const loggingOf = (variables: ServiceVariables, service: string, secrets: readonly string[]): LogConfig => {
  const isDevelopment = variables.ENVIRONMENT === 'development'
  return {
    level: variables.LOG_LEVEL ?? (isDevelopment ? 'debug' : 'info'),
    format: variables.LOG_FORMAT ?? (isDevelopment ? 'text' : 'json'),
    output: variables.LOG_OUTPUT,
    folder: variables.LOG_DIR,
    file: variables.LOG_FILE ?? `${service}.log`,
    secrets,
  }
}

const tracingOf = (variables: ServiceVariables): TracingConfig | undefined =>
  variables.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
    ? undefined
    : {
        endpoint: variables.OTEL_EXPORTER_OTLP_ENDPOINT,
        timeoutMs: variables.OTEL_EXPORTER_OTLP_TIMEOUT,
        headers: variables.OTEL_EXPORTER_OTLP_HEADERS,
        environment: variables.ENVIRONMENT,
        serviceName: variables.OTEL_SERVICE_NAME,
        sampler: variables.OTEL_TRACES_SAMPLER,
        samplerRatio: Number(variables.OTEL_TRACES_SAMPLER_ARG),
      }

/** The default of a variable that shows others how the service is built or lets their pages use it. */
export const offInProduction = <On extends string>(
  { ENVIRONMENT }: Pick<ServiceVariables, 'ENVIRONMENT'>,
  on: On,
): On | 'off' => (ENVIRONMENT === 'production' ? 'off' : on)

/** In development, both services end TLS, or neither. */
const schemeOf = (variables: ServiceVariables): string =>
  tlsConfigOf(variables) === undefined ? 'http' : 'https'

const httpOf = (
  variables: ServiceVariables & Readonly<{ PORT: number }>,
  relatedPort: number,
): ServiceConfig['http'] => {
  const isDevelopment = variables.ENVIRONMENT === 'development'
  const host = variables.HOST ?? (isDevelopment ? 'localhost' : '::')
  return {
    host,
    port: variables.PORT,
    operationsPort: variables.OPERATIONS_PORT,
    // Elsewhere, a proxy on the same machine passes on the public name.
    localNamesOnly: isDevelopment && isLocalHost(host),
    docs: isOn(variables.DOCS ?? offInProduction(variables, 'on')),
    relatedDocs:
      variables.RELATED_DOCS_URL ??
      (isDevelopment ? `${schemeOf(variables)}://localhost:${relatedPort}/docs` : undefined),
    compression: isOn(variables.COMPRESSION),
    corsOrigins: variables.CORS_ORIGINS ?? offInProduction(variables, '*'),
    trustProxy: variables.TRUST_PROXY ?? (isDevelopment ? 'loopback' : 'off'),
    maxEventLoopDelayMs: variables.MAX_EVENT_LOOP_DELAY_MS,
    hstsMaxAgeSeconds: variables.HSTS_MAX_AGE_SECONDS,
  }
}

/** An idle connection with TLS takes 60 to 100 KB, five times as much as one without. */
const maxTlsConnections = 1_500

const limitsOf = (variables: ServiceVariables): LimitsConfig => ({
  ...defaultLimits,
  maxConnections:
    variables.MAX_CONNECTIONS ??
    (tlsConfigOf(variables) === undefined ? defaultLimits.maxConnections : maxTlsConnections),
  maxConnectionsPerClient: variables.MAX_CONNECTIONS_PER_CLIENT,
  maxRequestBytes: variables.MAX_REQUEST_MIB * mebibyte,
  maxResponseBytes: variables.MAX_RESPONSE_MIB * mebibyte,
})

/**
 * Builds the sections from the variables. `secrets` names the variables that hold credentials, `relatedPort` is
 * the default port of the service whose documentation this one links to.
 */
export const serviceSections = (
  service: string,
  variables: ServiceVariables & Readonly<{ PORT: number }>,
  secrets: readonly string[],
  relatedPort: number,
): Omit<ServiceConfig, 'unencrypted'> => {
  const auth = authConfigOf(variables)
  const logging = loggingOf(variables, service, secrets)
  return {
    http: httpOf(variables, relatedPort),
    currency: variables.CURRENCY,
    auth,
    audit: auditConfigOf(variables, auth, logging),
    tls: tlsConfigOf(variables),
    limits: limitsOf(variables),
    rates: ratesConfigOf(variables),
    logging,
    tracing: tracingOf(variables),
    // Outside development, the default of five seconds gives load balancers time to notice.
    shutdown: {
      delayMs:
        (variables.SHUTDOWN_DELAY_SECONDS ?? (variables.ENVIRONMENT === 'development' ? 0 : 5)) * 1_000,
    },
    workers: variables.WORKERS === 'auto' ? availableParallelism() : Number(variables.WORKERS),
  }
}
