import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createFolder } from '../create-folder.ts'
import { onReopen, tolerateErrors } from '../logging/output.ts'
import { privateFile } from '../private-files.ts'
import { linesIn, waitingLines } from './waiting-lines.ts'

/** Lines that wait for room on the disk: about 4,000. Further lines are lost. */
const maxWaitingBytes = 1024 * 1024

/** What becomes of lines that cannot be written. */
export type Trouble = Readonly<{
  /** Lines wait, because the last attempt has failed. */
  failed: (error: unknown) => void
  /** Everything that waited is written. */
  ended: () => void
  lost: (lines: number) => void
}>

export type Destination = Readonly<{
  /** Takes whole lines. Never throws. */
  write: (lines: string) => void
  /** The number of lines that wait. */
  waiting: () => number
  /** Tries for the last time; lines that still wait are lost. */
  close: () => void
}>

const retryMs = 1_000

/**
 * Writes to a file at once, because the lines before a crash matter most. What a full disk does not take waits in memory up to a
 * limit, and is written where the file has ended: no line is torn.
 */
const toFile = (current: () => number, trouble: Trouble) => {
  const queue = waitingLines()
  let timer: NodeJS.Timeout | undefined
  let isFailing = false

  const flush = (): void => {
    try {
      for (let bytes = queue.next(); bytes !== undefined; bytes = queue.next())
        queue.wrote(writeSync(current(), bytes))
    } catch (error) {
      isFailing = true
      timer ??= setInterval(flush, retryMs).unref()
      return trouble.failed(error)
    }
    clearInterval(timer)
    timer = undefined
    if (!isFailing) return
    isFailing = false
    trouble.ended()
  }

  return {
    write: (lines: string): void => {
      const bytes = Buffer.from(lines)
      if (queue.size() + bytes.length > maxWaitingBytes) trouble.lost(linesIn(bytes))
      else queue.add(bytes)
      flush()
    },
    waiting: queue.lines,
    rewind: queue.rewind,
    close: (): void => {
      if (queue.size() > 0) flush()
      clearInterval(timer)
      if (queue.size() > 0) trouble.lost(queue.lines())
      queue.clear()
    },
  }
}

// A named pipe without a reader is an error with O_NONBLOCK; without it, opening would wait for one.
const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK

/** Opens a file that grows for ever: it is never removed by this process. SIGHUP opens it again. Throws if it cannot be opened. */
export const openFile = (folder: string, name: string, trouble: Trouble): Destination => {
  const path = resolve(folder, name)
  createFolder(dirname(path))
  let file = openSync(path, flags, privateFile)
  const { rewind, close, ...destination } = toFile(() => file, trouble)
  const forget = onReopen(() => {
    const opened = openSync(path, flags, privateFile)
    rewind()
    closeSync(file)
    file = opened
  })
  return {
    ...destination,
    close: () => {
      forget()
      close()
      closeSync(file)
    },
  }
}

/** Lines that the reader of the console has not taken wait up to the limit. The number of those that wait at the end is exact, or too high. */
export const toStream = (
  stream: Pick<NodeJS.WriteStream, 'write' | 'writableLength'>,
  trouble: Trouble,
): Destination => {
  const waiting: string[] = []
  let isFailing = false
  const fail = (error: unknown): void => {
    isFailing = true
    trouble.failed(error)
  }
  const count = () => waiting.reduce((sum, lines) => sum + linesIn(Buffer.from(lines)), 0)
  return {
    write: (lines) => {
      if (stream.writableLength > maxWaitingBytes) {
        fail(new Error('nobody reads the console'))
        return trouble.lost(linesIn(Buffer.from(lines)))
      }
      waiting.push(lines)
      stream.write(lines, (error) => {
        // In the order of the writes.
        waiting.shift()
        if (error != null) {
          fail(error)
          trouble.lost(linesIn(Buffer.from(lines)))
          // Not as soon as there is some room: with a slow reader, that would change all the time.
        } else if (isFailing && waiting.length === 0) {
          isFailing = false
          trouble.ended()
        }
      })
    },
    waiting: () => (isFailing ? count() : 0),
    close: () => {
      if (stream.writableLength > 0) trouble.lost(count())
    },
  }
}

const isFile = (descriptor: number): boolean => {
  try {
    return fstatSync(descriptor).isFile()
  } catch {
    return false
  }
}

/** Standard output. If it is a file, the disk can be full: the stream would then lose a part of a line without saying so. */
export const openConsole = (trouble: Trouble): Destination => {
  const stream = tolerateErrors(process.stdout, 'standard output')
  return isFile(1) ? toFile(() => 1, trouble) : toStream(stream, trouble)
}
