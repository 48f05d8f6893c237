import type { Logger } from './logger.ts'
import { OperatorError } from './operator-error.ts'

const shutdownLimitMs = 10_000

/**
 * Resolves on the first SIGTERM or SIGINT. From then on the process has ten seconds to finish what runs and to close;
 * a second signal, or the end of that time, ends it at once with exit code 1.
 */
export const untilStopped = async (logger: Logger): Promise<void> => {
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve)
  })
  logger.info({ signal }, 'stopping')
  const force = (reason: string) => () => {
    logger.fatal({ reason }, 'stopped by force')
    process.exit(1)
  }
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, force('second signal'))
  setTimeout(force('not closed in time'), shutdownLimitMs).unref()
}

/** Begins the shutdown, as SIGTERM would, with exit code 1 at its end: for a service that cannot do its work. */
export const giveUp = (): void => {
  process.exitCode = 1
  process.kill(process.pid, 'SIGTERM')
}

/** Runs a program's `main`. What the operator must put right goes to standard error as a message, anything else with its stack. */
export const run = async (main: () => Promise<void>): Promise<void> => {
  try {
    await main()
  } catch (error) {
    process.exitCode = error instanceof OperatorError ? error.exitCode : 1
    process.stderr.write(`${describe(error)}\n`)
  }
  // Everything is closed, or was given up: a connection to something that hangs must not hold the process.
  process.exit()
}

const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof OperatorError) return error.message
  if ('code' in error && error.code === 'EADDRINUSE' && 'port' in error)
    return `Port ${String(error.port)} is taken: stop what listens there, or choose another one.`
  return error.stack ?? error.message
}
