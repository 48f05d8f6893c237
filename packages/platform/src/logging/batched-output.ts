import type { DestinationStream } from 'pino'

/** So much is written at once, however long the turn. */
const maxGatheredLength = 64 * 1024

const gathering = new Set<() => void>()
process.on('exit', () => {
  for (const flush of gathering) flush()
})

/**
 * Writes the lines of one turn of the event loop together, at its end: a write for each would take a service more time than
 * to make them. What a turn has gathered is written also when the process ends, unless it is killed in that turn.
 */
export const batchedOutput = (stream: DestinationStream): DestinationStream => {
  let gathered = ''
  const flush = () => {
    gathering.delete(flush)
    const lines = gathered
    gathered = ''
    if (lines !== '') stream.write(lines)
  }
  return {
    write: (line) => {
      if (gathered === '') {
        gathering.add(flush)
        setImmediate(flush)
      }
      gathered += line
      if (gathered.length > maxGatheredLength) flush()
    },
  }
}
