import { resolve } from 'node:path'
import type { DestinationStream } from 'pino'
import { batchedOutput } from './batched-output.ts'

export type LogOutput = Readonly<{
  format: 'text' | 'json'
  output: 'console' | 'file' | 'both'
  /** Where files are, and the name of the one that is written to. */
  folder: string
  file: string
}>

/** What waits for a disk that is full; lines beyond are lost. */
const maxWaitingBytes = 1024 * 1024

type Line = Readonly<Record<string, unknown>>

/** The message, with what a request came to: `request GET /things/:id 200 1.23 ms`. */
const sentence = ({ service, msg, method, route, rpc, status, duration_ms }: Line): string =>
  [
    `${String(service)}:`,
    msg,
    method,
    route,
    rpc,
    status,
    duration_ms,
    duration_ms === undefined ? undefined : 'ms',
  ]
    .filter((part) => part !== undefined)
    .map(String)
    .join(' ')

const asText = async (stream: DestinationStream, colorize: boolean): Promise<DestinationStream> => {
  // What only some outputs need is loaded only for them: it takes a tenth of the time of a start.
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({
    colorize,
    ignore: 'service,method,route,rpc,status,duration_ms',
    messageFormat: sentence,
    singleLine: true,
  })
  return { write: (line) => stream.write(pretty(line)) }
}

const surviving = new WeakSet<NodeJS.EventEmitter>()

/** Lines that cannot be written are lost; the service goes on, and says so on standard error, once. */
const survive = <Stream extends NodeJS.EventEmitter>(stream: Stream, name: string): Stream => {
  if (surviving.has(stream)) return stream
  surviving.add(stream)
  let told = false
  return stream.on('error', (error) => {
    if (!told) process.stderr.write(`${name} cannot be written: ${String(error)}\n`)
    told = true
  })
}

/** Synchronous, as standard output is: the last lines before a crash or a forced stop are the ones that matter. */
const openFile = async (folder: string, name: string) => {
  const file = resolve(folder, name)
  const { default: roll } = await import('pino-roll')
  const limit = { count: 6, removeOtherLogFiles: true }
  return survive(
    await roll({ file, size: '50m', limit, mkdir: true, sync: true, maxLength: maxWaitingBytes }),
    'the log file',
  )
}

/** Where log lines go. A file that cannot be opened is `failed`, and the lines go to the console. */
export const openOutput = async ({ format, output, folder, file }: LogOutput) => {
  // Warnings of Node itself go there, and it may be closed too.
  survive(process.stderr, 'standard error')
  const shaped = async (stream: DestinationStream, colorize = false) =>
    format === 'json' ? batchedOutput(stream) : asText(batchedOutput(stream), colorize)
  const opened: DestinationStream[] = []
  let failed: unknown
  if (output !== 'console')
    await openFile(folder, file).then(
      async (stream) => opened.push(await shaped(stream)),
      (error: unknown) => {
        failed = error
      },
    )
  if (output !== 'file' || opened.length === 0)
    opened.push(await shaped(survive(process.stdout, 'standard output'), process.stdout.isTTY))
  return { destinations: opened, failed }
}
