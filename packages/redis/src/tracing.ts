import { tracingChannel } from 'node:diagnostics_channel'
import { errorTypeOf, recordErrorType, type Span, startCall } from '@shop/platform/tracing/api.ts'
import { errorCodeOf } from './error-reply.ts'

/** The driver's diagnostics message for a command. Arguments are left out of traces because keys contain user ids. */
type Command = Readonly<{
  command: string
  database: number
  serverAddress: string
  serverPort?: number
  error?: unknown
}>

const attributesOf = ({ command, database, serverAddress, serverPort }: Command) => ({
  'db.system.name': 'redis',
  'db.operation.name': command,
  'db.namespace': String(database),
  'server.address': serverAddress,
  ...(serverPort !== undefined && { 'server.port': serverPort }),
})

const redisErrorType = (error: unknown): string => errorCodeOf(error) ?? errorTypeOf(error)

/** Error replies that are instructions (load the script, go to another node). They do not mark the span as failed. */
const instructions = new Set(['NOSCRIPT', 'MOVED', 'ASK'])

/** Creates a span for each command that a request sends, until disposed. */
export const traceCommands = (): Disposable => {
  const spans = new WeakMap<object, Span>()
  const channel = tracingChannel<Command>('node-redis:command')
  const subscribers = {
    start: (command: Command) => {
      const span = startCall(command.command, attributesOf(command))
      if (span !== undefined) spans.set(command, span)
    },
    error: (command: Command) => {
      const type = redisErrorType(command.error)
      recordErrorType(spans.get(command), type, !instructions.has(type))
    },
    asyncEnd: (command: Command) => spans.get(command)?.end(),
  }
  channel.subscribe(subscribers)
  return { [Symbol.dispose]: () => channel.unsubscribe(subscribers) }
}
