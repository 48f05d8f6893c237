import { randomBytes } from 'node:crypto'
import { createClient } from '@redis/client'
import { unlessReachable } from './servers.ts'

/** The server's database for tests. Tests keep to keys of their own inside it all the same. */
export const redisUrl = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379/9'

const openClient = () =>
  createClient({ url: redisUrl, socket: { reconnectStrategy: false, connectTimeout: 20_000 } })

/** Runs one function against the server, over a connection of its own. */
export const onRedis = async <Result>(
  use: (client: ReturnType<typeof openClient>) => Promise<Result>,
): Promise<Result> => {
  const client = openClient()
  client.on('error', () => {})
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

/** For a suite's `skip`: the reason when there is no Redis to test on. */
export const withoutRedis = await unlessReachable('Redis (TEST_REDIS_URL)', () =>
  onRedis((client) => client.ping()),
)

/** A text that no other run uses, for keys and user ids. */
export const ownPrefix = (): string => `test-${randomBytes(6).toString('hex')}:`

/** Removes every key that begins with the prefix. */
export const removeKeys = (prefix: string): Promise<void> =>
  onRedis(async (client) => {
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1_000 }))
      if (keys.length > 0) await client.del(keys)
  })
