import { AppError } from '@shop/kernel/errors.ts'
import { requestContext } from '@shop/platform/request-context.ts'

/** Runs what asks the database, until the signal aborts: then the statement that runs is stopped. */
export const runWithSignal = <Result>(
  signal: AbortSignal,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> => requestContext.run({ requestId: name, signal }, work)

/** What a stopped statement rejects with. Not the caller's own error, which many share: drivers write into what they throw. */
const reasonOf = ({ reason }: AbortSignal, cause?: unknown): unknown =>
  reason instanceof AppError ? new AppError(reason.kind, reason.message, { cause }) : reason

const sendUntil = async <Result>(
  signal: AbortSignal,
  send: () => Promise<Result>,
  cancel: () => Promise<void>,
): Promise<Result> => {
  if (signal.aborted) throw reasonOf(signal)
  let cancelled: Promise<void> | undefined
  const stop = () => {
    cancelled = cancel()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await send()
  } catch (error) {
    throw signal.aborted ? reasonOf(signal, error) : error
  } finally {
    signal.removeEventListener('abort', stop)
    await cancelled
  }
}

/**
 * Sends a statement, unless its callers have gone already, and has it stopped by `cancel` when they go. Not by Kysely's own
 * means, which write to standard error when a statement ends by itself just then. Settles after the cancelling: what comes
 * later must not stop the next statement of the session.
 */
export const cancellable = <Result>(
  send: () => Promise<Result>,
  cancel: () => Promise<void>,
): Promise<Result> => {
  const signal = requestContext.getStore()?.signal
  return signal === undefined ? send() : sendUntil(signal, send, cancel)
}
