import { resolve } from 'node:path'
import { type DestinationStream, type Level, multistream, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { PinoPretty } from 'pino-pretty'
import roll from 'pino-roll'
import { requestContext } from './request-context.ts'
import { traceIds } from './tracing.ts'

export type Logger = pino.Logger

export type LogConfig = Readonly<{
  ENVIRONMENT: string
  LOG_LEVEL?: Level
  LOG_FORMAT?: 'text' | 'json'
  LOG_OUTPUT: 'console' | 'file' | 'both'
  LOG_DIR: string
  LOG_FILE?: string
}>

/** Fields that hold credentials: not to be seen in a logged object, nor in an object right inside of it. */
const secrets = [
  'DB_PASSWORD',
  'DATABASE_URL',
  'DB_REPLICA_URL',
  'REDIS_PASSWORD',
  'REDIS_URL',
  'password',
  'authorization',
  'cookie',
]

const destinations = async (service: string, config: LogConfig, development: boolean) => {
  const format = config.LOG_FORMAT ?? (development ? 'text' : 'json')
  const shaped = (stream: NodeJS.WritableStream & DestinationStream, colorize: boolean): DestinationStream =>
    format === 'json'
      ? stream
      : PinoPretty({
          colorize,
          destination: stream,
          ignore: 'service',
          messageFormat: '{service}: {msg}',
          singleLine: true,
        })
  const streams: DestinationStream[] = []
  if (config.LOG_OUTPUT !== 'file') streams.push(shaped(process.stdout, process.stdout.isTTY))
  if (config.LOG_OUTPUT !== 'console') {
    const file = resolve(config.LOG_DIR, config.LOG_FILE ?? `${service}.log`)
    // Synchronous, as standard output is: the last lines before a crash or a forced stop are the ones that matter.
    const rolling = await roll({ file, size: '50m', limit: { count: 5 }, mkdir: true, sync: true })
    streams.push(shaped(rolling, false))
  }
  return streams
}

/** Structured logs with the request id in each line, and the trace's when there is one. Files roll at 50 MB and five old ones are kept. */
export const createLogger = async (service: string, config: LogConfig): Promise<Logger> => {
  const development = config.ENVIRONMENT === 'development'
  const level = config.LOG_LEVEL ?? (development ? 'debug' : 'info')
  return pino(
    {
      level,
      base: { service },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
      redact: secrets.flatMap((name) => [name, `*.${name}`]),
      mixin: () => {
        const context = requestContext.getStore()
        return { ...(context && { request_id: context.requestId }), ...traceIds() }
      },
    },
    multistream((await destinations(service, config, development)).map((stream) => ({ level, stream }))),
  )
}
