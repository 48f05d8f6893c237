import { AppError } from '@shop/kernel/errors.ts'
import { refusalOf, withoutArguments } from './error-reply.ts'
import { sharedDeadlines } from './shared-deadlines.ts'

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

type Watchers = Readonly<{
  /** Called with true when a command becomes overdue, and with false when none is any more. */
  onOverdue?: (isOverdue: boolean) => void
  /** Called with each error before the command rejects with it. */
  onError?: (error: unknown) => void
}>

/** Counts the commands that are overdue. */
const createOverdueCount = (onOverdue: (isOverdue: boolean) => void) => {
  let count = 0
  return {
    isOverdue: () => count > 0,
    add: (change: 1 | -1): void => {
      const wasOverdue = count > 0
      count += change
      if (count > 0 !== wasOverdue) onOverdue(!wasOverdue)
    },
  }
}

/**
 * Returns a function that sends a command and waits for the reply until the deadline. While a command is overdue, further
 * commands fail at once, so that nothing queues behind a hung server and its idle connection times out.
 */
export const createCommandGuard = (
  { timeoutMessage, notResponding, unavailable }: StoreErrors,
  { onOverdue = () => {}, onError = () => {} }: Watchers = {},
) => {
  const deadlines = sharedDeadlines(commandTimeoutMs)
  const overdue = createOverdueCount(onOverdue)
  const publicErrorOf = (error: unknown): unknown => {
    if (error instanceof AppError) return error
    return notOutages.has(refusalOf(error)) ? withoutArguments(error) : unavailable(error)
  }

  return <Reply>(send: () => Promise<Reply>): Promise<Reply> => {
    if (overdue.isOverdue()) return Promise.reject(notResponding())
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const command = send()
    let isLate = false
    const deadline = deadlines.start(() => {
      isLate = true
      overdue.add(1)
      reject(new AppError('unavailable', timeoutMessage))
    })
    const end = () => {
      if (isLate) overdue.add(-1)
      else deadlines.end(deadline)
    }
    const succeed = (reply: Reply) => {
      end()
      resolve(reply)
    }
    const fail = (cause: unknown) => {
      end()
      const error = publicErrorOf(cause)
      if (!isLate) onError(error)
      reject(error)
    }
    command.then(succeed, fail)
    return promise
  }
}
