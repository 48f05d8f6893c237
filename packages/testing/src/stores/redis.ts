import { randomBytes } from 'node:crypto'
import { createClient } from '@redis/client'
import { unlessReachable } from './servers.ts'

/** The server's database for tests. Every test also uses its own keys. */
export const redisUrl = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379/9'

const openClient = () =>
  createClient({ url: redisUrl, socket: { reconnectStrategy: false, connectTimeout: 20_000 } })

/** Runs `use` with a new connection to the test server. */
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

/** For a suite's `skip`: the reason if there is no Redis server for tests, otherwise false. */
export const withoutRedis = await unlessReachable('Redis (TEST_REDIS_URL)', () =>
  onRedis((client) => client.ping()),
)

/** Returns a unique prefix for keys and user ids. */
export const ownPrefix = (): string => `test-${randomBytes(6).toString('hex')}:`

/** Removes every key with the prefix. */
export const removeKeys = (prefix: string): Promise<void> =>
  onRedis(async (client) => {
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1_000 }))
      if (keys.length > 0) await client.del(keys)
  })
