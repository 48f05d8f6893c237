import { AppError } from '@shop/kernel/errors.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { refusalOf, withoutArguments } from './error-reply.ts'

export const commandTimeoutMs = 500

/**
 * The errors that callers get when the store fails; `name` is the store's name in their messages. Their causes are logged,
 * so they contain no keys or values.
 */
export const storeErrors = (name: string) => ({
  timeoutMessage: `${name} did not respond in time`,
  notResponding: (): AppError => new AppError('unavailable', `${name} is not responding`),
  /** For a command that cannot be sent, or that the server refused with the error `cause`. */
  unavailable: (cause?: unknown): AppError =>
    new AppError('unavailable', `${name} is unavailable`, { cause: withoutArguments(cause) }),
  notConfirmed: (cause?: unknown): AppError =>
    new AppError(
      'unavailable',
      `${name} did not confirm the write in time; it may have taken effect, so read before retrying`,
      { cause: withoutArguments(cause) },
    ),
})

export type StoreErrors = ReturnType<typeof storeErrors>

/**
 * Refusals that are not outages: ERR and WRONGTYPE are our bugs; NOSCRIPT, MOVED and ASK are instructions to the caller.
 */
const notOutages: ReadonlySet<string | undefined> = new Set(['ERR', 'WRONGTYPE', 'NOSCRIPT', 'MOVED', 'ASK'])

/**
 * Returns a function that sends a command and waits for the reply until the deadline. While a command is overdue, further
 * commands fail at once, so that nothing queues behind a hung server and its idle connection times out. `onOverdue` is
 * called with true when a command becomes overdue, and with false when none is any more.
 */
export const createCommandGuard = (
  { timeoutMessage, notResponding, unavailable }: StoreErrors,
  onOverdue: (isOverdue: boolean) => void = () => {},
) => {
  let overdue = 0
  return async <Reply>(send: () => Promise<Reply>): Promise<Reply> => {
    if (overdue > 0) throw notResponding()
    const command = send()
    let settled = false
    let late = false
    const settle = () => {
      settled = true
      if (!late) return
      overdue -= 1
      if (overdue === 0) onOverdue(false)
    }
    void command.then(settle, settle)
    try {
      return await withDeadline(commandTimeoutMs, timeoutMessage, command)
    } catch (error) {
      if (!settled) {
        late = true
        overdue += 1
        if (overdue === 1) onOverdue(true)
      }
      if (error instanceof AppError) throw error
      if (notOutages.has(refusalOf(error))) throw withoutArguments(error)
      throw unavailable(error)
    }
  }
}
