import { AppError } from '@shop/kernel/errors.ts'
import { requestContext } from '@shop/platform/request-context.ts'

/**
 * Runs `work` as a request of its own, with `name` as the request id. If the signal aborts, the running
 * statement is cancelled.
 */
export const runWithSignal = <Result>(
  signal: AbortSignal,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> => requestContext.run({ requestId: name, signal }, work)

/**
 * The error of a cancelled statement. An `AppError` is copied, because several callers share the signal's
 * reason and drivers modify the errors that they throw.
 */
const abortError = ({ reason }: AbortSignal, cause?: unknown): unknown =>
  reason instanceof AppError ? new AppError(reason.kind, reason.message, { cause }) : reason

const sendCancellable = async <Result>(
  signal: AbortSignal,
  send: () => Promise<Result>,
  cancel: () => Promise<void>,
): Promise<Result> => {
  if (signal.aborted) throw abortError(signal)
  let cancelled: Promise<void> | undefined
  const onAbort = () => {
    cancelled = cancel()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await send()
  } catch (error) {
    throw signal.aborted ? abortError(signal, error) : error
  } finally {
    signal.removeEventListener('abort', onAbort)
    await cancelled
  }
}

/**
 * Sends a statement unless the request's signal has already aborted. If the signal aborts while the statement
 * runs, `cancel` is called. Settles only after `cancel` has, because a late cancellation would hit the
 * session's next statement. Kysely's own cancellation is not used: it writes to standard error if the
 * statement ends by itself at the same moment.
 */
export const withCancellation = <Result>(
  send: () => Promise<Result>,
  cancel: () => Promise<void>,
): Promise<Result> => {
  const signal = requestContext.getStore()?.signal
  return signal === undefined ? send() : sendCancellable(signal, send, cancel)
}
