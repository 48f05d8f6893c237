import { ErrorReply } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import { withDeadline } from '@shop/platform/deadline.ts'

export const commandTimeoutMs = 500
export const notInTime = 'the basket store did not answer in time'

/** That a command cannot be sent, or was answered by the refusal `cause`. */
export const cannotAnswer = (cause?: unknown): AppError =>
  new AppError('unavailable', 'the basket store cannot answer right now', {}, { cause })

/**
 * Replies that are not the state of the server: by some it refuses a command that was wrong, which is a bug of ours; by
 * the others it says what to do next.
 */
const notItsState = /^(ERR|WRONGTYPE|NOSCRIPT|MOVED|ASK)\b/

/**
 * Waits for the answer to a command, for so long. From a command without one until it is settled after all, by its answer
 * or by the loss of the connection, others are not even sent: nobody queues up for a server that hangs, and its
 * connection falls idle, which ends it.
 */
export const answers = () => {
  let overdue = 0
  return async <Reply>(send: () => Promise<Reply>): Promise<Reply> => {
    if (overdue > 0) throw new AppError('unavailable', 'the basket store does not answer')
    const command = send()
    let settled = false
    let late = false
    const settle = () => {
      settled = true
      if (late) overdue -= 1
    }
    void command.then(settle, settle)
    try {
      return await withDeadline(commandTimeoutMs, notInTime, command)
    } catch (error) {
      if (!settled) {
        late = true
        overdue += 1
      }
      if (error instanceof AppError) throw error
      if (error instanceof ErrorReply && notItsState.test(error.message)) throw error
      throw cannotAnswer(error)
    }
  }
}
