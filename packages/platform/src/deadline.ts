import { AppError } from '@shop/kernel/errors.ts'

/**
 * Settles like `operation`, or rejects with `unavailable` after `ms`: for what has no deadline of its own. The operation
 * itself may go on, and its outcome is then unknown. `message` reaches the caller.
 */
export const withDeadline = <Result>(
  ms: number,
  message: string,
  operation: Promise<Result>,
): Promise<Result> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new AppError('unavailable', message)), ms)
    operation.then(resolve, reject).finally(() => clearTimeout(timer))
  })
