import { pino } from 'pino'

/** A logger that discards everything. */
export const silentLogger = pino({ level: 'silent' })

/** Creates a logger that appends its parsed lines to `lines`. */
export const recordingLogger = () => {
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  return { logger, lines }
}
