import type { DestinationStream } from 'pino'

/** A longer buffer is written at once, before the end of the event loop turn. */
const maxBufferLength = 64 * 1024

/**
 * How long a line that may wait is buffered. At one connection, to write the line of each request by itself would take 5 of 31
 * µs: it needs a write and a turn of its own.
 */
const maxDelayMs = 10

const pendingFlushes = new Set<() => void>()
process.on('exit', () => {
  for (const flush of pendingFlushes) flush()
})

export type BatchedOutput = DestinationStream &
  Readonly<{
    /** Writes a line that may be lost if the process is killed within the next milliseconds. */
    writeSoon: (line: string) => void
  }>

/**
 * Buffers lines and writes them together, because one write per line would take more time than creating the lines. A line is
 * written at the end of the event loop turn, together with all lines before it. The buffer is also written when the process
 * exits, unless it is killed.
 */
export const batchedOutput = (stream: DestinationStream): BatchedOutput & Readonly<{ flush: () => void }> => {
  let buffer = ''
  let timer: NodeJS.Timeout | undefined
  let isEnding = false
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    isEnding = false
    pendingFlushes.delete(flush)
    const lines = buffer
    buffer = ''
    if (lines !== '') stream.write(lines)
  }
  const append = (line: string) => {
    if (buffer === '') pendingFlushes.add(flush)
    buffer += line
    if (buffer.length > maxBufferLength) flush()
  }
  return {
    flush,
    write: (line) => {
      append(line)
      if (isEnding || buffer === '') return
      isEnding = true
      setImmediate(flush)
    },
    writeSoon: (line) => {
      append(line)
      if (buffer !== '' && !isEnding) timer ??= setTimeout(flush, maxDelayMs).unref()
    },
  }
}
