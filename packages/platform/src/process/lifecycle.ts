import { OperatorError } from '../config/operator-error.ts'
import { ConfigError } from '../config/variables.ts'
import type { Logger } from '../logging/logger.ts'
import { withoutUrlCredentials } from '../url-credentials.ts'
import type { Host, Order } from './host.ts'
import type { ShutdownConfig } from './service-config.ts'

/** The time limit for closing everything after the drain; then the process exits at once. */
export const stopLimitMs = 10_000

/** A retiring process drains for this long at least, so that clients of kept connections get `Connection: close`. */
const minRetireDelayMs = 2_000

/** How long a process drains before it closes. */
export const drainMs = (order: Order, { delayMs }: ShutdownConfig): number =>
  order === 'retire' ? Math.max(delayMs, minRetireDelayMs) : delayMs

/**
 * Waits for the first order to stop, calls `beginDrain`, which sends clients elsewhere, and resolves after
 * the drain. The process then has ten seconds to finish running work and to close. After that time,
 * or if the host forces it (such as on a second signal), it exits at once with code 1.
 */
export const untilStopped = async (
  logger: Pick<Logger, 'info' | 'fatal'>,
  config: ShutdownConfig,
  host: Pick<Host, 'nextOrder' | 'onForce'>,
  beginDrain: (order: Order) => void,
): Promise<void> => {
  const { order, reason } = await host.nextOrder()
  logger.info(reason, 'stopping')
  const delayMs = drainMs(order, config)
  const force = (cause: string) => {
    logger.fatal({ reason: cause }, 'forced stop')
    process.exit(1)
  }
  host.onForce(force)
  setTimeout(() => force('not closed in time'), delayMs + stopLimitMs).unref()
  beginDrain(order)
  await new Promise((resolve) => setTimeout(resolve, delayMs))
}

/** Runs a program's `main`. Prints an `OperatorError` as a message, other errors with their stack. */
export const run = async (main: () => Promise<void>): Promise<void> => {
  try {
    await main()
  } catch (thrown) {
    const error = causeOf(thrown)
    process.exitCode = error instanceof OperatorError ? error.exitCode : 1
    process.stderr.write(`${textOf(error)}\n`)
  }
  // Everything is closed or cut off by now. A connection to a hung server must not keep the process alive.
  process.exit()
}

/** If closing fails too, its error comes first and suppresses the one that made `main` end. */
const causeOf = (error: unknown): unknown =>
  error instanceof SuppressedError ? causeOf(error.suppressed) : error

/** Invalid configurations are described without values, but with examples of URLs. */
const textOf = (error: unknown): string =>
  error instanceof ConfigError ? error.message : withoutUrlCredentials(describe(error))

const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof OperatorError) return error.message
  if ('code' in error && error.code === 'EADDRINUSE' && 'port' in error)
    return `Port ${String(error.port)} is in use: stop the process that listens on it, or choose another port.`
  return error.stack ?? error.message
}
