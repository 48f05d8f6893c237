import { tracingChannel } from 'node:diagnostics_channel'
import { ErrorReply } from '@redis/client'
import { errorTypeOf, recordErrorType, type Span, startCall } from '@shop/platform/tracing/api.ts'

/** What the driver tells of a command, besides its arguments, which are not for traces: keys have user ids in them. */
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

/** A refusal of the server begins with its code. */
const typeOf = (error: unknown): string =>
  error instanceof ErrorReply ? (error.message.split(' ', 1)[0] ?? 'ERR') : errorTypeOf(error)

/** By these the server asks for the script, or says where the key is: what it wants comes next. */
const directions = new Set(['NOSCRIPT', 'MOVED', 'ASK'])

/** Gives each command that a request sends a span, as long as it is not disposed of. */
export const traceCommands = (): Disposable => {
  const spans = new WeakMap<object, Span>()
  const channel = tracingChannel<Command>('node-redis:command')
  const subscribers = {
    start: (command: Command) => {
      const span = startCall(command.command, attributesOf(command))
      if (span !== undefined) spans.set(command, span)
    },
    error: (command: Command) => {
      const type = typeOf(command.error)
      recordErrorType(spans.get(command), type, !directions.has(type))
    },
    asyncEnd: (command: Command) => spans.get(command)?.end(),
  }
  channel.subscribe(subscribers)
  return { [Symbol.dispose]: () => channel.unsubscribe(subscribers) }
}
