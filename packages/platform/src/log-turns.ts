import type { DestinationStream } from 'pino'

/** So much is written at once, however long the turn. */
const maxGatheredLength = 64 * 1024

/**
 * Writes the lines of one turn of the event loop together, at its end: a write for each would take a service more time than
 * to make them. What a turn has gathered is written also when the process ends, unless it is killed in that turn.
 */
export const byTurn = (stream: DestinationStream): DestinationStream => {
  let gathered = ''
  const flush = () => {
    const lines = gathered
    gathered = ''
    if (lines !== '') stream.write(lines)
  }
  process.on('exit', flush)
  return {
    write: (line) => {
      if (gathered === '') setImmediate(flush)
      gathered += line
      if (gathered.length > maxGatheredLength) flush()
    },
  }
}
