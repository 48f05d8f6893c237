import { AppError } from '@shop/kernel/errors.ts'

/** A timer that is so late says that the process itself was held up, by its own work or for want of a processor. */
const heldUpMs = 50

/**
 * Settles like `operation`, or rejects with `unavailable` after `ms`: for what has no deadline of its own. The operation
 * itself may go on, and its outcome is then unknown. `message` reaches the caller. If the timer fires late, because the event
 * loop was blocked, it is restarted once: the answer may already be in the socket.
 */
export const withDeadline = <Result>(
  ms: number,
  message: string,
  operation: Promise<Result>,
): Promise<Result> =>
  new Promise((resolve, reject) => {
    const expire = () => reject(new AppError('unavailable', message))
    const due = performance.now() + ms
    let timer = setTimeout(() => {
      if (performance.now() > due + heldUpMs) timer = setTimeout(expire, ms)
      else expire()
    }, ms)
    operation.then(resolve, reject).finally(() => clearTimeout(timer))
  })
