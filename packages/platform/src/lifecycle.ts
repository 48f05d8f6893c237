import type { Logger } from './logger.ts'
import { OperatorError } from './operator-error.ts'
import { firstOrder, isWorker, leave, type Order, sayGoodbye } from './worker.ts'

/** What is not closed after so long is given up. */
export const stopLimitMs = 10_000

export type ShutdownConfig = Readonly<{ ENVIRONMENT: string; SHUTDOWN_DELAY_SECONDS?: number }>

/** For so long a service that was told to stop goes on serving, until every balancer has noticed: in production five seconds. */
export const shutdownDelayMs = ({ ENVIRONMENT, SHUTDOWN_DELAY_SECONDS }: ShutdownConfig): number =>
  (SHUTDOWN_DELAY_SECONDS ?? (ENVIRONMENT === 'development' ? 0 : 5)) * 1_000

const signals = ['SIGTERM', 'SIGINT'] as const

const firstSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const name of signals) process.once(name, resolve)
  })

/**
 * On the first SIGTERM or SIGINT calls `announce`, which sends clients elsewhere, and resolves after the shutdown delay.
 * From then on the process has ten seconds to finish what runs and to close; a second signal, or the end of that time,
 * ends it at once with exit code 1. A worker has its orders from its supervisor instead.
 */
export const untilStopped = async (
  logger: Logger,
  config: ShutdownConfig,
  announce: (order: Order) => void,
): Promise<void> => {
  const told: { signal?: string; order?: Order } = isWorker()
    ? { order: await firstOrder() }
    : { signal: await firstSignal() }
  logger.info(told, 'stopping')
  const force = (reason: string) => () => {
    logger.fatal({ reason }, 'stopped by force')
    process.exit(1)
  }
  if (!isWorker()) for (const name of signals) process.once(name, force('second signal'))
  const delayMs = shutdownDelayMs(config)
  setTimeout(force('not closed in time'), delayMs + stopLimitMs).unref()
  announce(told.order ?? 'stop')
  await new Promise((resolve) => setTimeout(resolve, delayMs))
}

/** Begins the shutdown, as SIGTERM would, with exit code 1 at its end: for a service that cannot do its work. */
export const giveUp = (): void => {
  process.exitCode = 1
  if (isWorker()) leave()
  else process.kill(process.pid, 'SIGTERM')
}

/** Runs a program's `main`. What the operator must put right goes to standard error as a message, anything else with its stack. */
export const run = async (main: () => Promise<void>): Promise<void> => {
  try {
    await main()
  } catch (error) {
    process.exitCode = error instanceof OperatorError ? error.exitCode : 1
    process.stderr.write(`${describe(error)}\n`)
  }
  await sayGoodbye()
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
