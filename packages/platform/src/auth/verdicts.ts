import { hash } from 'node:crypto'
import { kindOf } from '@shop/kernel/errors.ts'

/** What a check of credentials says, and for how long it holds. */
export type Verdict<Result> = Readonly<{ result: Result; forMs: number }>

type VerdictOptions = Readonly<{
  /** The oldest are forgotten when there are more. */
  max: number
  /** In milliseconds; never steps back. */
  monotonic: () => number
}>

type Unchecked<Result> = Readonly<{ check: () => Promise<Result>; wasValid: boolean }>

/** The hashes of the credentials that their last check accepted, also when its verdict holds no longer. */
const createAccepted = (max: number) => {
  const hashes = new Set<string>()
  return {
    has: (key: string): boolean => hashes.has(key),
    add: (key: string): void => {
      hashes.delete(key)
      const [oldest] = hashes.size < max ? [] : hashes
      if (oldest !== undefined) hashes.delete(oldest)
      hashes.add(key)
    },
    delete: (key: string): boolean => hashes.delete(key),
  }
}

/** Verdicts by the hash of their credentials, and the checks that are running. */
const createMemory = <Result>({ max, monotonic }: VerdictOptions) => {
  const known = new Map<string, Readonly<{ result: Result; until: number }>>()
  return {
    pending: new Map<string, Promise<Result>>(),
    recall: (key: string): Result | undefined => {
      const verdict = known.get(key)
      return verdict !== undefined && verdict.until > monotonic() ? verdict.result : undefined
    },
    remember: (key: string, { result, forMs }: Verdict<Result>): void => {
      known.delete(key)
      if (forMs <= 0) return
      const [oldest] = known.size < max ? [] : known.keys()
      if (oldest !== undefined) known.delete(oldest)
      known.set(key, { result, until: monotonic() + forMs })
    },
  }
}

/**
 * Remembers what `check` says about credentials, by their SHA-256, so that they themselves are not kept. Refusals are not
 * remembered. Calls with the same credentials during a check share it.
 */
export const createVerdicts = <Result>(
  check: (credentials: string) => Promise<Verdict<Result>>,
  options: VerdictOptions,
) => {
  let memory = createMemory<Result>(options)
  const accepted = createAccepted(options.max)

  const run = async (own: typeof memory, key: string, credentials: string): Promise<Result> => {
    try {
      const verdict = await check(credentials)
      own.remember(key, verdict)
      accepted.add(key)
      return verdict.result
    } catch (error) {
      if (kindOf(error) === 'unauthenticated') accepted.delete(key)
      throw error
    } finally {
      own.pending.delete(key)
    }
  }
  const checkOnce = (key: string, credentials: string): Promise<Result> => {
    // The check itself may call `forget`.
    const { pending } = memory
    const result = pending.get(key) ?? run(memory, key, credentials)
    pending.set(key, result)
    return result
  }
  return {
    /** Returns the verdict if it is remembered, otherwise the check. */
    of: (credentials: string): Result | Unchecked<Result> => {
      const key = hash('sha256', credentials, 'base64url')
      return memory.recall(key) ?? { check: () => checkOnce(key, credentials), wasValid: accepted.has(key) }
    },
    /** Forgets all verdicts, but not which credentials were accepted; also of the checks that are running. */
    forget: (): void => {
      memory = createMemory(options)
    },
  }
}
