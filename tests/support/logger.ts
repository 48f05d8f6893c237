import { pino } from 'pino'

/** A logger that says nothing. */
export const silentLogger = pino({ level: 'silent' })

/** A logger that keeps its lines, parsed. */
export const recordingLogger = () => {
  const lines: Record<string, unknown>[] = []
  const formatters = { level: (level: string) => ({ level }) }
  const logger = pino(
    { level: 'trace', formatters },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  )
  return { logger, lines }
}
