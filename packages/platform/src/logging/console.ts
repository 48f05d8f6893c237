import { format } from 'node:util'
import type { Logger } from './logger.ts'

const levels = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' } as const

/**
 * Sends what libraries write to the console, and the warnings of Node.js, to the log instead: their lines have
 * no level, time or request id, and are not JSON. Only the last words of a dying process go to standard error.
 */
export const redirectConsole = (logger: Logger): void => {
  for (const [name, level] of Object.entries(levels))
    Object.assign(console, {
      [name]: (...values: unknown[]) => logger[level]({ source: 'console' }, format(...values)),
    })
  // Node.js prints warnings by a listener of its own.
  process.removeAllListeners('warning')
  process.on('warning', (warning) => logger.warn({ source: 'node', err: warning }, warning.message))
}
