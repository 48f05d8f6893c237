import { isIP } from 'node:net'
import { currencyProblem, defaultCurrency } from '@shop/kernel/currency.ts'
import { type Static, type TObject, Type } from 'typebox'
import { auditProblems, auditVariables } from '../audit/config.ts'
import { authProblems, authVariables } from '../auth/config.ts'
import { mustBeNetworks } from '../config/networks.ts'
import { fileVariable, hasFile } from '../config/secret-files.ts'
import {
  type Environment,
  mustBeFileName,
  mustBeFolder,
  mustBeUrl,
  optionalPort,
  optionalToggle,
  toggle,
} from '../config/variables.ts'
import { defaultLimits, mebibyte } from '../limits/limits.ts'
import { rateVariables } from '../limits/rates/variables.ts'
import { tlsProblems, tlsVariables } from '../tls/config.ts'
import { tracingVariables } from '../tracing/variables.ts'

/** Pattern of a web page's origin: a scheme, a host and an optional port. */
const origin = 'https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?'

/** Variables that every service reads. */
export const serviceVariables = {
  HOST: Type.Optional(Type.String()),
  OPERATIONS_PORT: optionalPort,
  ENVIRONMENT: Type.Enum(['development', 'staging', 'production'], { default: 'development' }),
  DATA_DIR: Type.String({ default: './.data' }),
  CURRENCY: Type.String({ default: defaultCurrency }),
  ...authVariables,
  ...auditVariables,
  ...tlsVariables,
  LOG_LEVEL: Type.Optional(Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])),
  LOG_FORMAT: Type.Optional(Type.Enum(['text', 'json'])),
  LOG_OUTPUT: Type.Enum(['console', 'file', 'both'], { default: 'console' }),
  LOG_DIR: Type.String({ default: './logs' }),
  LOG_FILE: Type.Optional(Type.String()),
  SHUTDOWN_DELAY_SECONDS: Type.Optional(Type.Integer({ minimum: 0, maximum: 300 })),
  WORKERS: Type.String({
    pattern: '^([1-9]|[1-5][0-9]|6[0-4]|auto)$',
    description: 'a whole number from 1 to 64, or auto',
    default: '1',
  }),
  DOCS: optionalToggle,
  RELATED_DOCS_URL: Type.Optional(
    Type.String({ pattern: `^${origin}(/.*)?$`, description: 'a URL such as https://shop.example/docs' }),
  ),
  COMPRESSION: toggle('on'),
  HSTS_MAX_AGE_SECONDS: Type.Integer({ minimum: 0, maximum: 63_072_000, default: 0 }),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      pattern: `^(\\*|off|${origin}(,${origin}){0,99})$`,
      description: '*, off, or comma-separated origins such as https://shop.example',
    }),
  ),
  TRUST_PROXY: Type.Optional(Type.String({ maxLength: 4_000 })),
  MAX_CONNECTIONS: Type.Optional(Type.Integer({ minimum: 10, maximum: 1_000_000 })),
  MAX_CONNECTIONS_PER_CLIENT: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: defaultLimits.maxConnectionsPerClient,
  }),
  MAX_REQUEST_MIB: Type.Integer({
    minimum: 4,
    maximum: 16_384,
    default: defaultLimits.maxRequestBytes / mebibyte,
  }),
  MAX_RESPONSE_MIB: Type.Integer({
    minimum: 16,
    maximum: 16_384,
    default: defaultLimits.maxResponseBytes / mebibyte,
  }),
  ...rateVariables,
  MAX_EVENT_LOOP_DELAY_MS: Type.Integer({ minimum: 0, maximum: 60_000, default: 1_000 }),
  ...tracingVariables,
}

type StorageVariables<Server> = Readonly<{ STORAGE: 'auto' | 'embedded' | Server; ENVIRONMENT: string }>

/**
 * Resolves STORAGE: `auto` means the server in production or if a server is configured, otherwise the
 * embedded engine. `address` is the value of a variable that configures a server.
 */
export const storageOf = <Server extends string>(
  { STORAGE, ENVIRONMENT }: StorageVariables<Server>,
  server: Server,
  address: string | undefined,
): 'embedded' | Server => {
  if (STORAGE !== 'auto') return STORAGE
  return ENVIRONMENT === 'production' || address !== undefined ? server : 'embedded'
}

/**
 * A rule for production: the server's password variable, or that of its file, must be set. The password may be empty. To
 * be applied only if the URL variable is unset. Takes the environment, because `readVariables` treats an empty variable
 * as unset.
 */
export const mustHavePassword = (
  { STORAGE, ENVIRONMENT }: Readonly<{ STORAGE: string; ENVIRONMENT: string }>,
  environment: Environment,
  password: string,
  url: string,
): string | false =>
  ENVIRONMENT === 'production' &&
  STORAGE !== 'embedded' &&
  environment[password] === undefined &&
  ![password, url].some((name) => hasFile(environment, name)) &&
  `${password} must be set in production, unless ${fileVariable(password)} or ${url} is; an empty ${password}= means that there is no password`

/** The digits and dots of a malformed IPv4 address are no name. */
const isHost = (host: string): boolean =>
  isIP(host) !== 0 || (/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(host) && /[A-Za-z]/.test(host))

const mustBeCurrency = (name: string, code: string): string | false => {
  const problem = currencyProblem(code)
  return problem !== undefined && `${name} ${problem}`
}

export type ServiceVariables = Static<TObject<typeof serviceVariables>>

/** The rules of these variables that their schema cannot express. */
export const serviceProblems = (
  variables: ServiceVariables & Readonly<{ PORT: number }>,
): readonly (string | false)[] => [
  variables.OPERATIONS_PORT === variables.PORT && 'OPERATIONS_PORT and PORT must differ',
  variables.HOST !== undefined &&
    !isHost(variables.HOST) &&
    'HOST must be an IP address such as :: or 127.0.0.1, or a host name',
  mustBeCurrency('CURRENCY', variables.CURRENCY),
  ...authProblems(variables),
  ...auditProblems(variables),
  ...tlsProblems(variables),
  mustBeNetworks('TRUST_PROXY', variables.TRUST_PROXY),
  mustBeFolder('DATA_DIR', variables.DATA_DIR),
  mustBeFolder('LOG_DIR', variables.LOG_DIR),
  mustBeFileName('LOG_FILE', variables.LOG_FILE),
  variables.WORKERS !== '1' &&
    variables.LOG_OUTPUT !== 'console' &&
    'LOG_OUTPUT must be console when WORKERS is not 1: processes cannot share a rotating file',
  mustBeUrl('OTEL_EXPORTER_OTLP_ENDPOINT', variables.OTEL_EXPORTER_OTLP_ENDPOINT),
]
