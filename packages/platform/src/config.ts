import { statSync } from 'node:fs'
import { type Static, type TObject, Type } from 'typebox'
import { OperatorError } from './operator-error.ts'
import { compileSchema, textReader } from './validation.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The configuration cannot be used. Its message lists every problem and no value, for a value may be a secret. */
export class ConfigError extends OperatorError {
  override readonly name = 'ConfigError'
  /** EX_CONFIG of sysexits.h. */
  override readonly exitCode = 78

  constructor(problems: readonly string[]) {
    super(['The configuration cannot be used:', ...problems.map((problem) => `  - ${problem}`)].join('\n'))
  }
}

/** Of a page: a scheme, a host and perhaps a port, as a pattern. */
const origin = 'https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?'

/** Variables that both services read. */
export const commonVariables = {
  ENVIRONMENT: Type.Enum(['development', 'staging', 'production'], { default: 'development' }),
  DATA_DIR: Type.String({ default: './.data' }),
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
  DOCS: Type.Enum(['on', 'off'], { default: 'on' }),
  CORS_ORIGINS: Type.String({
    pattern: `^(\\*|off|${origin}(,${origin}){0,99})$`,
    description: '*, off, or origins such as https://shop.example, with commas between',
    default: '*',
  }),
  MAX_EVENT_LOOP_DELAY_MS: Type.Integer({ minimum: 0, maximum: 60_000, default: 1_000 }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({ pattern: '^https?://[^/]+', description: 'a URL such as http://localhost:4318' }),
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: Type.Enum(['http/protobuf'], { default: 'http/protobuf' }),
  OTEL_EXPORTER_OTLP_TIMEOUT: Type.Integer({ minimum: 1, maximum: 60_000, default: 3_000 }),
  OTEL_SERVICE_NAME: Type.Optional(Type.String()),
  OTEL_TRACES_SAMPLER: Type.Enum(
    [
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ],
    { default: 'parentbased_always_on' },
  ),
  OTEL_TRACES_SAMPLER_ARG: Type.String({
    pattern: '^(0|0?\\.[0-9]+|1|1\\.0+)$',
    description: 'a number from 0 to 1',
    default: '1',
  }),
}

type StorageVariables<Server> = Readonly<{ STORAGE: 'auto' | 'embedded' | Server; ENVIRONMENT: string }>

/** What STORAGE comes to: with `auto` the server when one is named, and in production, else the embedded engine. */
export const storageOf = <Server extends string>(
  { STORAGE, ENVIRONMENT }: StorageVariables<Server>,
  server: Server,
  named: string | undefined,
): 'embedded' | Server => {
  if (STORAGE !== 'auto') return STORAGE
  return ENVIRONMENT === 'production' || named !== undefined ? server : 'embedded'
}

type CommonVariables = Static<TObject<typeof commonVariables>>

/** What is wrong with the values of the common variables besides what their schema tells. */
export const commonProblems = (given: CommonVariables): readonly (string | false)[] => [
  ...(['DATA_DIR', 'LOG_DIR'] as const)
    .filter((name) => statSync(given[name] ?? '', { throwIfNoEntry: false })?.isDirectory() === false)
    .map((name) => `${name} must name a folder, or a place for one`),
  given.WORKERS !== '1' &&
    given.LOG_OUTPUT !== 'console' &&
    'LOG_OUTPUT must be console with several WORKERS: they cannot share a file that rolls',
  given.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined &&
    !URL.canParse(given.OTEL_EXPORTER_OTLP_ENDPOINT) &&
    'OTEL_EXPORTER_OTLP_ENDPOINT must be a URL',
]

export const port = (defaultPort: number) =>
  Type.Integer({ minimum: 1, maximum: 65_535, default: defaultPort })

/**
 * Reads the variables of `schema` from the environment: an empty one counts as not set. `rules` adds what one variable
 * alone cannot tell; they are asked also when a value breaks the schema. Throws `ConfigError` with all problems at once.
 */
export const readVariables = <Schema extends TObject>(
  schema: Schema,
  environment: Environment,
  rules: (variables: Static<Schema>) => readonly (string | false)[] = () => [],
): Static<Schema> => {
  const given = Object.entries(environment).filter(([name, text]) => name in schema.properties && text !== '')
  const variables = textReader(schema)(Object.fromEntries(given))
  const problems = compileSchema(schema)(variables).map(({ path, message }) => `${path.slice(1)} ${message}`)
  // Without problems the values have the schema's type; with some, the rules still tell theirs.
  const typed = variables as Static<Schema>
  const broken = [...problems, ...rules(typed).filter((problem) => problem !== false)]
  if (broken.length > 0) throw new ConfigError(broken)
  return typed
}
