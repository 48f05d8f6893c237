import { AppError } from '@shop/kernel/errors.ts'
import { type Idempotency, requireSameRequest } from '@shop/kernel/idempotency.ts'
import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import type { WriteResult } from '../writing/apply-changes.ts'
import type { Attempt } from './attempts.ts'
import type { RememberedWrite } from './find-remembered.ts'
import { isKeyTaken } from './keyed-statements.ts'

/** A write with a key. `attempt` may be called again if it rejects. */
export type KeyedWrite = Readonly<{ idempotency: Idempotency; attempt: () => Promise<Attempt> }>

/** The result of a write, and whether an earlier one with its key has produced it. */
export type KeyedResult = WriteResult & Readonly<{ isReplay: boolean }>

const maxAttempts = 3

/** Repeats the attempt if another write with the key came first: its look-up then finds that one, unless it is forgotten already. */
const attemptUntilKnown = async ({ attempt }: KeyedWrite): Promise<Attempt> => {
  for (let attempts = 1; ; attempts++)
    try {
      return await attempt()
    } catch (error) {
      if (!isKeyTaken(error)) throw error
      if (attempts === maxAttempts)
        throw new AppError('unavailable', 'the idempotency key is in use, try again later')
    }
}

const replay = (
  { idempotency }: KeyedWrite,
  { fingerprint, product }: RememberedWrite,
): Outcome<KeyedResult> => {
  try {
    requireSameRequest(idempotency, fingerprint)
    return { value: { product, events: [], isReplay: true } }
  } catch (error) {
    return { error }
  }
}

/** Whether the error is about this write alone: another one with its key may succeed. */
const isRefusal = (error: unknown): boolean =>
  error instanceof AppError && error.kind !== 'unavailable' && error.kind !== 'rate_limited'

/**
 * Performs the first of the writes, which have the same key, that is not refused. The others are repetitions of it. After an
 * outage, it does not try the rest.
 */
export const writeOnce = async (writes: readonly KeyedWrite[]): Promise<Outcome<KeyedResult>[]> => {
  const outcomes: Outcome<KeyedResult>[] = []
  let known: RememberedWrite | undefined
  let failed: Outcome<KeyedResult> | undefined
  const settle = async (write: KeyedWrite): Promise<Outcome<KeyedResult>> => {
    if (failed !== undefined) return failed
    if (known !== undefined) return replay(write, known)
    try {
      const { written, remembered } = await attemptUntilKnown(write)
      known = remembered
      return written === undefined ? replay(write, remembered) : { value: { ...written, isReplay: false } }
    } catch (error) {
      if (!isRefusal(error)) failed = { error }
      return { error }
    }
  }
  for (const write of writes) outcomes.push(await settle(write))
  return outcomes
}
