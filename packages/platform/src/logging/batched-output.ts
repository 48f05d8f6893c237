import type { DestinationStream } from 'pino'

/** A longer buffer is written at once, before the end of the event loop turn. */
const maxBufferLength = 64 * 1024

const pendingFlushes = new Set<() => void>()
process.on('exit', () => {
  for (const flush of pendingFlushes) flush()
})

/**
 * Buffers the lines of one event loop turn and writes them together at its end, because one write per line
 * would take more time than creating the lines. The buffer is also written when the process exits, unless it
 * is killed.
 */
export const batchedOutput = (stream: DestinationStream): DestinationStream => {
  let buffer = ''
  const flush = () => {
    pendingFlushes.delete(flush)
    const lines = buffer
    buffer = ''
    if (lines !== '') stream.write(lines)
  }
  return {
    write: (line) => {
      if (buffer === '') {
        pendingFlushes.add(flush)
        setImmediate(flush)
      }
      buffer += line
      if (buffer.length > maxBufferLength) flush()
    },
  }
}
