import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { readConfig } from '../../src/config.ts'
import { pieceCount } from '../../src/domain/basket.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { ownFolder } from '../support/baskets.ts'

type Environment = Readonly<Record<string, string>>

const script = new URL('./add-items.ts', import.meta.url)

/**
 * Starts a process for each entry of `additions`. Each adds that number of pieces to the user's basket, one at
 * a time and concurrently with the others. Returns the resulting number of pieces.
 */
const piecesAfter = async (userId: string, environment: Environment, additions: readonly number[]) => {
  const processes = additions.map((count) =>
    fork(script, [userId, String(count)], { env: { ...process.env, ...environment } }),
  )
  const exits = processes.map((process) => once(process, 'exit'))
  try {
    await Promise.all(
      processes.map((process, index) => Promise.race([once(process, 'message'), exits[index]])),
    )
    for (const process of processes) if (process.connected) process.send('go')
    assert.deepEqual(
      (await Promise.all(exits)).map(([code]) => code),
      additions.map(() => 0),
    )
  } finally {
    for (const process of processes) process.kill('SIGKILL')
  }
  await using adapters = await openAdapters({ config: readConfig(environment), logger: silentLogger })
  const basket = await eventually(20_000, () => adapters.ports.baskets.find(userId))
  return basket && pieceCount(basket)
}

describe('concurrent writes of several processes to one basket', () => {
  test('all take effect in SQLite', async () => {
    await using folder = await ownFolder()
    assert.equal(await piecesAfter('user123', { DATA_DIR: folder.path }, [100, 100]), 200)
  })

  test('all take effect in Redis', { skip: withoutRedis }, async () => {
    const userId = `${ownPrefix()}user`
    try {
      assert.equal(await piecesAfter(userId, { REDIS_URL: redisUrl }, [100, 100]), 200)
    } finally {
      await removeKeys(`basket:${userId}`)
    }
  })
})
