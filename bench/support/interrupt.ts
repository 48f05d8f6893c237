import { OperatorError } from '@shop/platform/config/operator-error.ts'

const interrupted = new AbortController()

// An interrupted benchmark finishes its current step, then stops its servers and removes its data. A second signal
// must not prevent that: timeout(1) sends two.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => interrupted.abort(new OperatorError('Interrupted.')))

/** Throws if the benchmark was interrupted. Call it between two steps. */
export const throwIfInterrupted = (): void => interrupted.signal.throwIfAborted()
