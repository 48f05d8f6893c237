import { ErrorReply } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'

export const commandTimeoutMs = 500

/** How callers are told that the store cannot do its work; `name` is what they know it by. */
export const refusalsOf = (name: string) => ({
  timedOut: `${name} did not answer in time`,
  hangs: (): AppError => new AppError('unavailable', `${name} does not answer`),
  /** That a command cannot be sent, or was answered by the refusal `cause`. */
  cannotAnswer: (cause?: unknown): AppError =>
    new AppError('unavailable', `${name} cannot answer right now`, { cause }),
  notConfirmed: (cause?: unknown): AppError =>
    new AppError(
      'unavailable',
      `${name} has not confirmed the write in time: it may have taken effect, so read before trying again`,
      { cause },
    ),
})

export type Refusals = ReturnType<typeof refusalsOf>

/**
 * Error replies that are not outages: ERR and WRONGTYPE are our bugs; NOSCRIPT, MOVED and ASK are instructions to the
 * caller.
 */
const notAnOutage = /^(ERR|WRONGTYPE|NOSCRIPT|MOVED|ASK)\b/

/**
 * Waits for the answer to a command until its deadline. While one command is overdue, further commands fail at once, so
 * nothing queues behind a hung server, and its idle connection times out.
 */
export const commandGuard = ({ timedOut, hangs, cannotAnswer }: Refusals) => {
  let overdue = 0
  return async <Reply>(send: () => Promise<Reply>): Promise<Reply> => {
    if (overdue > 0) throw hangs()
    const command = send()
    let settled = false
    let late = false
    const settle = () => {
      settled = true
      if (late) overdue -= 1
    }
    void command.then(settle, settle)
    try {
      return await withDeadline(commandTimeoutMs, timedOut, command)
    } catch (error) {
      if (!settled) {
        late = true
        overdue += 1
      }
      if (error instanceof AppError) throw error
      if (error instanceof ErrorReply && notAnOutage.test(error.message)) throw error
      throw cannotAnswer(error)
    }
  }
}
