import { closeSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { DestinationStream } from 'pino'
import { createFolder } from '../create-folder.ts'
import { privateFile } from '../private-files.ts'
import { type BatchedOutput, batchedOutput } from './batched-output.ts'

export type LogOutput = Readonly<{
  format: 'text' | 'json'
  output: 'console' | 'file' | 'both'
  /** The folder of the log files. */
  folder: string
  /** The base name of the log files. */
  file: string
}>

/** Limits the lines that wait while the disk is full; further lines are lost. */
const maxWaitingBytes = 1024 * 1024

type Line = Readonly<Record<string, unknown>>

/** Control characters, which would begin a new line or command a terminal. */
const controls = /\p{Cc}/gu

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** The text after level and time, such as `<service>: request GET /things/:id 200 1.23 ms`. */
const textMessage = ({ service, msg, method, route, path, rpc, status, duration_ms }: Line): string =>
  [
    `${String(service)}:`,
    msg,
    method,
    route,
    path,
    rpc,
    status,
    duration_ms,
    duration_ms === undefined ? undefined : 'ms',
  ]
    .filter((part) => part !== undefined)
    .map(String)
    .join(' ')
    .replace(controls, escaped)

const asText = async (output: BatchedOutput, colorize: boolean): Promise<BatchedOutput> => {
  // Loaded on demand, because only this format needs it and loading takes a tenth of the startup time.
  // By `default`: in a bundle, a CommonJS module that is imported on demand has no other names.
  const { default: pinoPretty } = await import('pino-pretty')
  const pretty = pinoPretty.prettyFactory({
    colorize,
    ignore: 'service,method,route,path,rpc,status,duration_ms',
    messageFormat: textMessage,
    singleLine: true,
  })
  return {
    write: (line) => output.write(pretty(line)),
    writeSoon: (line) => output.writeSoon(pretty(line)),
  }
}

/** Colors are for terminals that can show them, unless the user asks for none (no-color.org). */
export const usesColors = (
  { isTTY }: Readonly<{ isTTY?: boolean }>,
  { NO_COLOR = '', TERM }: Readonly<Record<string, string | undefined>> = process.env,
): boolean => isTTY === true && NO_COLOR === '' && TERM !== 'dumb'

const streamsWithHandler = new WeakSet<NodeJS.EventEmitter>()

/** Keeps the service running when lines cannot be written. The loss is reported once, on standard error. */
export const tolerateErrors = <Stream extends NodeJS.EventEmitter>(stream: Stream, name: string): Stream => {
  if (streamsWithHandler.has(stream)) return stream
  streamsWithHandler.add(stream)
  let isReported = false
  return stream.on('error', (error) => {
    if (!isReported) process.stderr.write(`${name} cannot be written: ${String(error)}\n`)
    isReported = true
  })
}

const reopens = new Set<() => void>()

/** `reopen` is called by `reopenLogFiles`; it may throw. Returns a function that ends that. */
export const onReopen = (reopen: () => void): (() => void) => {
  reopens.add(reopen)
  return () => void reopens.delete(reopen)
}

/**
 * Opens the log files again by their names, after a program such as logrotate has moved them. No line is lost: each is written
 * to the old or to the new file. A file that cannot be opened again stays as it is.
 */
export const reopenLogFiles = (): Readonly<{ opened: number; failed: readonly unknown[] }> => {
  const failed: unknown[] = []
  for (const reopen of reopens)
    try {
      reopen()
    } catch (error) {
      failed.push(error)
    }
  return { opened: reopens.size - failed.length, failed }
}

/** Throws if the file cannot be created or appended to. */
const requireWritable = (file: string): void => {
  createFolder(dirname(file))
  closeSync(openSync(file, 'a', privateFile))
}

/** Synchronous, like standard output, because the last lines before a crash or a forced stop matter most. */
const openFile = async (folder: string, name: string) => {
  const file = resolve(folder, name)
  createFolder(dirname(file))
  const { default: roll } = await import('pino-roll')
  const limit = { count: 6, removeOtherLogFiles: true }
  const options = { mkdir: true, sync: true, mode: privateFile, maxLength: maxWaitingBytes }
  const opened = tolerateErrors(await roll({ file, size: '50m', limit, ...options }), 'the log file')
  reopens.add(() => {
    // After a failed attempt of its own, the stream would close the old file twice.
    requireWritable(opened.file)
    opened.reopen()
  })
  return opened
}

/**
 * Opens the destinations of log lines. If the file cannot be opened, `failed` is the error and lines go to
 * the console.
 */
export const openOutput = async ({ format, output, folder, file }: LogOutput) => {
  // The last words of the process go to standard error, which may be closed too.
  tolerateErrors(process.stderr, 'standard error')
  const withFormat = async (stream: DestinationStream, colorize = false) =>
    format === 'json' ? batchedOutput(stream) : asText(batchedOutput(stream), colorize)
  const opened: BatchedOutput[] = []
  let failed: unknown
  if (output !== 'console')
    await openFile(folder, file).then(
      async (stream) => opened.push(await withFormat(stream)),
      (error: unknown) => {
        failed = error
      },
    )
  if (output !== 'file' || opened.length === 0)
    opened.push(
      await withFormat(tolerateErrors(process.stdout, 'standard output'), usesColors(process.stdout)),
    )
  return { destinations: opened, failed }
}
