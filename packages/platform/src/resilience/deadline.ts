import { AppError } from '@shop/kernel/errors.ts'

/** A timer this late means that the process itself was stalled, by its own work or for lack of CPU time. */
export const stallMs = 50

/**
 * Settles like `operation`, or rejects with `unavailable` and `message` after `ms`. For operations without a
 * deadline of their own. The operation itself may continue, and its outcome is then unknown. If the timer
 * fires late, because the event loop was blocked, it is restarted once: the response may already be in the
 * socket.
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
      if (performance.now() > due + stallMs) timer = setTimeout(expire, ms)
      else expire()
    }, ms)
    operation.then(resolve, reject).finally(() => clearTimeout(timer))
  })
