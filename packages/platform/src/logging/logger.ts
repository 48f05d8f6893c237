import { type Level, multistream, pino } from 'pino'
import { errorSerializer, expectedFailure } from '../failure.ts'
import { requestContext } from '../request-context.ts'
import { traceIds } from '../tracing/api.ts'
import { withoutUrlCredentials } from '../url-credentials.ts'
import { type LogOutput, openOutput } from './output.ts'
import { type JsonLines, type PlainFields, type PlainLines, plainLines } from './plain-lines.ts'

export type Logger = pino.Logger

export type LogConfig = LogOutput &
  Readonly<{
    level: Level
    /** Names of fields with credentials, in addition to those that are always redacted. */
    secrets: readonly string[]
  }>

const credentials = ['password', 'authorization', 'cookie']

let lastSecond = 0
let untilSecond = ''

/** The time as a JSON field, with a comma in front. Its seconds are formatted once per second: `toISOString` takes 0.5 µs. */
export const timestamp = (): string => {
  const now = Date.now()
  const second = Math.floor(now / 1_000)
  if (second !== lastSecond) {
    lastSecond = second
    untilSecond = `,"time":"${new Date(now).toISOString().slice(0, -4)}`
  }
  return `${untilSecond}${String(now % 1_000).padStart(3, '0')}Z"`
}

/** The ids of the current request, of those that joined it, and of its span. */
const contextFields = (): PlainFields => {
  const context = requestContext.getStore()
  const joinedIds = context?.joinedIds?.()
  return {
    ...(context && { request_id: context.requestId }),
    ...(joinedIds && { joined_request_ids: joinedIds }),
    ...traceIds(),
  }
}

const linesOf = new WeakMap<Logger, ReturnType<typeof plainLines>>()

/**
 * Creates a logger whose lines carry the `base` fields and, if there are any, the trace ids, the request id
 * and the ids of joined requests. Credentials are redacted in logged objects and in objects directly inside
 * them. Text lines of expected failures have no stack, except at level `trace`. Files roll at 50 MB, and five old ones are kept.
 */
export const createLogger = async (
  base: Readonly<Record<string, unknown>>,
  { level, secrets, ...output }: LogConfig,
): Promise<Logger> => {
  const { destinations, failed } = await openOutput(output)
  const singleStream = destinations.length === 1 ? destinations[0] : undefined
  const logger = pino(
    {
      level,
      base,
      timestamp,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorSerializer({ stacks: output.format === 'json' || level === 'trace' }) },
      redact: [...credentials, ...secrets].flatMap((name) => [name, `*.${name}`]),
      hooks: { streamWrite: (line) => withoutUrlCredentials(line, 'json') },
      mixin: contextFields,
    },
    // A single stream is passed directly, because multistream adds overhead.
    singleStream ?? multistream(destinations.map((stream) => ({ level, stream }))),
  )
  const parts = { base, timestamp, contextFields, traceFields: traceIds, destinations }
  linesOf.set(
    logger,
    plainLines(parts, (name) => logger.isLevelEnabled(name)),
  )
  if (failed !== undefined)
    logger.warn(expectedFailure(failed), 'the log file cannot be opened; logging to the console instead')
  return logger
}

/**
 * Returns a logger without the redaction of fields. For frequent lines without secrets: searching a line for them
 * costs more than writing it.
 */
export const withoutRedaction = (logger: Logger): PlainLines =>
  linesOf.get(logger)?.plain ?? logger.child({}, { redact: [] })

/** The same for fields that are JSON already. Their `request_id` must be among them; the ids of the span are added. */
export const jsonLines = (logger: Logger): JsonLines => {
  const known = linesOf.get(logger)
  if (known !== undefined) return known.json
  const child = logger.child({}, { redact: [] })
  const writeAt = (level: keyof JsonLines) => (members: string, message: string) =>
    child[level](JSON.parse(`{${members}}`), message)
  return { info: writeAt('info'), debug: writeAt('debug') }
}
