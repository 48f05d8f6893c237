import type { RedisClientType } from '@redis/client'
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

/**
 * Attempts a write that changes nothing, because the key does not exist. The server checks its role, memory, disk and
 * replicas and the user's permissions, as for every write.
 */
const attemptWrite = (client: RedisClientType, key: string) => client.set(key, '', { condition: 'XX', EX: 1 })

/** Attempts a write on each primary. Returns the codes of the refusals, and rejects on any other failure. */
const refusalCodes = async (connection: RedisConnection, keyPrefix: string): Promise<readonly string[]> => {
  const codes = connection.keyOnEach(keyPrefix).map(async (key) => {
    try {
      await connection.run(key, (client) => attemptWrite(client, key))
      return []
    } catch (error) {
      const code = errorCodeOf(error instanceof AppError ? error.cause : error)
      if (code === undefined || !refusals.has(code)) throw error
      return [code]
    }
  })
  return [...new Set((await Promise.all(codes)).flat())].toSorted()
}

const describe = (codes: readonly string[]) =>
  `Redis refuses writes: ${codes.map((code) => `${code}, ${refusals.get(code)}`).join('; ')}`

/** Returns why Redis refuses writes; undefined if it does not. No key may begin with the prefix and `{`. */
export const writeDefectOf = async (
  connection: RedisConnection,
  keyPrefix: string,
): Promise<string | undefined> => {
  const codes = await refusalCodes(connection, keyPrefix)
  return codes.length === 0 ? undefined : describe(codes)
}

/** Rejects if the Redis user may not write. Resolves if this is unknown, because Redis does not respond. */
export const checkWriteAccess = async (connection: RedisConnection, keyPrefix: string): Promise<void> => {
  const codes = await refusalCodes(connection, keyPrefix).catch((): string[] => [])
  if (codes.includes('NOPERM')) throw new AppError('unavailable', describe(['NOPERM']))
}
