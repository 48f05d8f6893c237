import { OperatorError } from '@shop/platform/config/operator-error.ts'

const interrupted = new AbortController()

// Whoever stops a benchmark finds the machine as it was: what runs comes to its end, and then everything is closed.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interrupted.abort(new OperatorError('Interrupted.')))

/** To be called between two steps: throws when the benchmark was told to stop. */
export const unlessInterrupted = (): void => interrupted.signal.throwIfAborted()
