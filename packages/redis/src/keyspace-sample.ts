import type { RedisClientType } from '@redis/client'
import { infoNumber } from './info.ts'

/** What one server knows of its keys. */
export type KeyspaceSample = Readonly<{
  /** How many there are. */
  keys: number
  /** Some of them, taken as they lie, or all when it is `complete`. */
  sample: readonly string[]
  complete: boolean
  /** How many have expired since the server started. */
  expired: number
}>

/** Else a table that was large once, and is almost empty now, would be walked to its end. */
const maxPages = 10

/** Keys lie in the order of a hash, so those at the beginning are as good a sample as any, and much the same every time. */
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

/** Asks the server; what it does for that does not grow with its keys. */
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
