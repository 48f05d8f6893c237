import type { RedisClientType } from '@redis/client'
import { infoNumber } from './info.ts'

/** The number of keys on one server, and a sample of them. */
export type KeyspaceSample = Readonly<{
  /** The number of keys. */
  keys: number
  /** Some of the keys, or all of them if `complete`. */
  sample: readonly string[]
  complete: boolean
  /** The number of keys that have expired since the server started. */
  expired: number
}>

/**
 * Without this limit, SCAN would walk the whole hash table of a server that had many keys before and is almost empty now.
 */
const maxPages = 10

/** SCAN returns keys in hash order, so the first keys are a random sample, which is nearly the same every time. */
const takeSample = async (client: Pick<RedisClientType, 'scan'>, size: number) => {
  const keys = new Set<string>()
  let cursor = '0'
  for (let page = 0; page < maxPages && keys.size < size; page++) {
    const next = await client.scan(cursor, { COUNT: size })
    for (const key of next.keys) keys.add(key)
    cursor = next.cursor
    if (cursor === '0') break
  }
  return { sample: [...keys], complete: cursor === '0' }
}

/** Reads a sample at a cost that does not grow with the number of keys. */
export const sampleKeyspace = async (
  client: Pick<RedisClientType, 'scan' | 'dbSize' | 'info'>,
  size: number,
): Promise<KeyspaceSample> => {
  const [keys, stats, sample] = await Promise.all([
    client.dbSize(),
    client.info('stats'),
    takeSample(client, size),
  ])
  return { keys, expired: infoNumber(stats, 'expired_keys'), ...sample }
}
