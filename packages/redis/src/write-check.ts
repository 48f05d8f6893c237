import { AppError } from '@shop/kernel/errors.ts'
import type { RedisConnection } from './connection.ts'
import { refusalOf, refusedCommandOf } from './error-reply.ts'

/** Why a server that responds refuses requests, by `refusalOf` its error reply. */
const refusals = new Map([
  ['READONLY', 'it is a replica'],
  ['OOM', 'it has reached maxmemory'],
  ['MISCONF', 'it cannot save its data to disk'],
  ['NOREPLICAS', 'it has fewer replicas than min-replicas-to-write'],
  ['NOPERM', 'the Redis user lacks commands or keys that docs/redis.md lists'],
  ['UNKNOWN', 'the server lacks commands that docs/redis.md lists'],
])

/** Refusals that depend on how Redis and its user are set up for this instance. */
const setupRefusals: ReadonlySet<string> = new Set(['NOPERM', 'UNKNOWN'])

type Refusal = Readonly<{ code: string; command: string | undefined }>

/** The refusal in an error of the store; undefined if Redis did not refuse the command for a known reason. */
const knownRefusalOf = (error: unknown): Refusal | undefined => {
  const reply = error instanceof AppError ? error.cause : error
  const code = refusalOf(reply)
  return code !== undefined && refusals.has(code) ? { code, command: refusedCommandOf(reply) } : undefined
}

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

/** Returns the refusals. If there is none, rejects with the first failure of another kind. */
const readRefusals = async (
  attempts: readonly Attempt[],
  keys: readonly string[],
): Promise<readonly Refusal[]> => {
  const results = await Promise.allSettled(keys.flatMap((key) => attempts.map((attempt) => attempt(key))))
  const errors = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
  const found = errors.flatMap((error) => knownRefusalOf(error) ?? [])
  if (found.length === 0 && errors.length > 0) throw errors[0]
  return found
}

/** Lists the codes with their meaning and, if the replies name them, the commands. */
const describe = (found: readonly Refusal[]): string => {
  const codes = [...new Set(found.map(({ code }) => code))].toSorted()
  return codes
    .map((code) => {
      const commands = new Set(found.flatMap((refusal) => (refusal.code === code && refusal.command) || []))
      const list = commands.size === 0 ? '' : ` (${[...commands].toSorted().join(', ')})`
      return `${code}, ${refusals.get(code)}${setupRefusals.has(code) ? list : ''}`
    })
    .join('; ')
}

/** Returns why Redis refuses writes; undefined if it does not. */
export const writeDefectOf = async (
  attempts: readonly Attempt[],
  keys: readonly string[],
): Promise<string | undefined> => {
  const found = await readRefusals(attempts, keys)
  return found.length === 0 ? undefined : `Redis refuses writes: ${describe(found)}`
}

/**
 * Rejects if Redis lacks a command that requests need, or its user may not send it. Resolves if this is unknown, because
 * Redis does not respond.
 */
export const checkAccess = async (attempts: readonly Attempt[], keys: readonly string[]): Promise<void> => {
  const found = await readRefusals(attempts, keys).catch((): Refusal[] => [])
  const ofSetup = found.filter(({ code }) => setupRefusals.has(code))
  if (ofSetup.length > 0) throw new AppError('unavailable', `Redis refuses requests: ${describe(ofSetup)}`)
}

/** Returns why the maxmemory policy cannot be read, if Redis refuses INFO. Throws every other failure. */
export const unknownEviction = (error: unknown): string => {
  const refusal = knownRefusalOf(error)
  if (refusal === undefined || !setupRefusals.has(refusal.code)) throw error
  return `Redis does not show its maxmemory-policy: ${describe([refusal])}`
}
