import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { causeOf } from '../failure.ts'
import type { Logger } from '../logging/logger.ts'
import { reopenLogFiles } from '../logging/output.ts'

const canOpenTerminal = (): boolean => {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

/** Whether the process is one that somebody runs in a terminal. With `nohup`, none of its streams is the terminal. */
const startedInTerminal = [0, 1, 2].some(isatty) && canOpenTerminal()

const { promise: terminalClosed, resolve } = Promise.withResolvers<void>()

/** Resolves when the terminal in which the process was started has closed, which also sends SIGHUP. */
export { terminalClosed }

/** Calls `handle` on SIGHUP, unless it means that the terminal of the process has closed. */
export const onHangup = (handle: () => void): void => {
  process.on('SIGHUP', () => {
    if (startedInTerminal && !canOpenTerminal()) resolve()
    else handle()
  })
}

/** Opens the log files again on SIGHUP, as a program that has moved them expects. */
export const reopenLogsOnHangup = (logger: Logger): void =>
  onHangup(() => {
    const { opened, failed } = reopenLogFiles()
    for (const error of failed)
      logger.error({ cause: causeOf(error) }, 'a log file cannot be reopened; lines still go to the old one')
    if (opened > 0) logger.info({ signal: 'SIGHUP', opened }, 'log files reopened')
    else if (failed.length === 0) logger.info({ signal: 'SIGHUP' }, 'no log file to reopen')
  })
