import { AppError } from '@shop/kernel/errors.ts'
import type { RedisConnection } from './connection.ts'
import { errorCodeOf } from './error-reply.ts'

/** Why a server that responds refuses every write, by the code of its error reply. */
const refusals = new Map([
  ['READONLY', 'it is a replica'],
  ['OOM', 'it has reached maxmemory'],
  ['MISCONF', 'it cannot save its data to disk'],
  ['NOREPLICAS', 'it has fewer replicas than min-replicas-to-write'],
  ['NOPERM', 'the Redis user lacks commands or keys that docs/redis.md lists'],
])

/** Sends a command that requests need, for a key that does not exist, so that it changes nothing. */
export type Attempt = (key: string) => Promise<unknown>

/**
 * Writes that change nothing, because the key does not exist. The server checks its role, memory, disk and replicas, as
 * for every write.
 */
export const writeAttempts = ({ run }: Pick<RedisConnection, 'run'>): readonly Attempt[] => [
  (key) => run(key, (client) => client.set(key, '', { condition: 'XX', EX: 1 })),
  (key) => run(key, (client) => client.del(key)),
]

/** Returns the codes of the refusals. If there is none, rejects with the first other failure. */
const refusalCodes = async (
  attempts: readonly Attempt[],
  keys: readonly string[],
): Promise<readonly string[]> => {
  const results = await Promise.allSettled(keys.flatMap((key) => attempts.map((attempt) => attempt(key))))
  const errors = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
  const codes = errors
    .map((error) => errorCodeOf(error instanceof AppError ? error.cause : error) ?? '')
    .filter((code) => refusals.has(code))
  if (codes.length === 0 && errors.length > 0) throw errors[0]
  return [...new Set(codes)].toSorted()
}

const describe = (codes: readonly string[]) =>
  `Redis refuses writes: ${codes.map((code) => `${code}, ${refusals.get(code)}`).join('; ')}`

/** Returns why Redis refuses writes; undefined if it does not. */
export const writeDefectOf = async (
  attempts: readonly Attempt[],
  keys: readonly string[],
): Promise<string | undefined> => {
  const codes = await refusalCodes(attempts, keys)
  return codes.length === 0 ? undefined : describe(codes)
}

/**
 * Rejects if the Redis user may not send a command that requests need. Resolves if this is unknown, because Redis does
 * not respond.
 */
export const checkAccess = async (attempts: readonly Attempt[], keys: readonly string[]): Promise<void> => {
  const codes = await refusalCodes(attempts, keys).catch((): string[] => [])
  if (codes.includes('NOPERM')) throw new AppError('unavailable', describe(['NOPERM']))
}
