import { type Level, multistream, pino, stdSerializers } from 'pino'
import { requestContext } from '../request-context.ts'
import { traceIds } from '../tracing/api.ts'
import { type LogOutput, openOutput } from './output.ts'

export type Logger = pino.Logger

export type LogConfig = LogOutput &
  Readonly<{
    level: Level
    /** Names of fields that hold credentials, besides those that do so everywhere. */
    secrets: readonly string[]
  }>

const credentials = ['password', 'authorization', 'cookie']

/** The user and password of a URL, wherever it stands: in a driver's message, in a stack. */
const userInfo = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#"'@]+@/gi

const withoutUserInfo = (line: string): string =>
  line.includes('://') ? line.replace(userInfo, '$1[Redacted]@') : line

let lastTime = 0
let lastTimestamp = ''

/** The time as a field, made anew when a millisecond has passed. */
const timestamp = (): string => {
  const now = Date.now()
  if (now !== lastTime) {
    lastTime = now
    lastTimestamp = `,"time":"${new Date(now).toISOString()}"`
  }
  return lastTimestamp
}

/**
 * Structured logs with the `base` fields and the request id in each line, and the trace's when there is one. Credentials are
 * not to be seen in a logged object, nor in an object right inside of it. Files roll at 50 MB and five old ones are kept.
 */
export const createLogger = async (
  base: Readonly<Record<string, unknown>>,
  { level, secrets, ...output }: LogConfig,
): Promise<Logger> => {
  const { destinations, failed } = await openOutput(output)
  const only = destinations.length === 1 ? destinations[0] : undefined
  const logger = pino(
    {
      level,
      base,
      timestamp,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
      redact: [...credentials, ...secrets].flatMap((name) => [name, `*.${name}`]),
      hooks: { streamWrite: withoutUserInfo },
      mixin: () => {
        const context = requestContext.getStore()
        return {
          ...(context && { request_id: context.requestId }),
          ...(context?.joinedIds && { joined_request_ids: context.joinedIds }),
          ...traceIds(),
        }
      },
    },
    // To several streams it takes a detour.
    only ?? multistream(destinations.map((stream) => ({ level, stream }))),
  )
  if (failed !== undefined)
    logger.warn({ err: failed }, 'the log file cannot be opened: logging to the console')
  return logger
}

/** The same, for lines whose every field is known to be harmless: to look for secrets in each costs more than to write it. */
export const withoutRedaction = (logger: Logger): Logger => logger.child({}, { redact: [] })
