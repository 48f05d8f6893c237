import { AsyncLocalStorage } from 'node:async_hooks'

/** What a store has done for one command. */
export type WriteRecord = {
  /** The version that was found; null if there was nothing. Undefined if the store was not asked. */
  before: number | null | undefined
  /** The version that was written; null if there is nothing any more. Undefined if nothing was written, or it is not known. */
  after: number | null | undefined
  /** Whether it is not known if the write took effect. */
  isUnknown: boolean
  /** Whether an earlier request with the same idempotency key has done the write. */
  isReplayed: boolean
}

const current = new AsyncLocalStorage<WriteRecord>()

export const newWriteRecord = (): WriteRecord => ({
  before: undefined,
  after: undefined,
  isUnknown: false,
  isReplayed: false,
})

/** Runs a command whose writes go to this record. */
export const recordingWrites = <Result>(record: WriteRecord, run: () => Result): Result =>
  current.run(record, run)

/** Records that an earlier request has done the write, if a command is recorded. The versions are in the line of that request. */
export const recordReplay = (): void => {
  const record = current.getStore()
  if (record !== undefined) Object.assign(record, { before: undefined, after: undefined, isReplayed: true })
}

type Versioned = Readonly<{ version: number }> | undefined

/** Whether something may be stored although the store rejected with this error. */
type MayBeStored = (error: unknown) => boolean

/**
 * Records the versions of an update of a store, if a command is recorded. `update` may call the change several times, also
 * together with those of others: the last call counts. A change that returns its argument writes nothing.
 */
export const recordUpdate = async <Stored extends Versioned, Changed, Result extends Versioned>(
  change: (stored: Stored) => Changed,
  update: (change: (stored: Stored) => Changed) => Promise<Result>,
  mayBeStored: MayBeStored,
): Promise<Result> => {
  const record = current.getStore()
  if (record === undefined) return update(change)
  let isSent = false
  try {
    const result = await update((stored) => {
      isSent = false
      record.before = stored?.version ?? null
      const changed = change(stored)
      isSent = !Object.is(changed, stored)
      return changed
    })
    record.after = result?.version ?? null
    return result
  } catch (error) {
    record.isUnknown = isSent && mayBeStored(error)
    throw error
  }
}

/** Records the creation of a thing by a store, if a command is recorded. */
export const recordCreation = async <Result extends Versioned>(
  create: () => Promise<Result>,
  mayBeStored: MayBeStored,
): Promise<Result> => {
  const record = current.getStore()
  if (record === undefined) return create()
  record.before = null
  try {
    const result = await create()
    record.after = result?.version ?? null
    return result
  } catch (error) {
    record.isUnknown = mayBeStored(error)
    throw error
  }
}
