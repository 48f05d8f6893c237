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

type Load = Readonly<{ processes: number; clients: number; adds: number; keyed?: boolean }>

/**
 * Starts processes whose clients each add one piece to the user's basket again and again, until each process has added
 * `adds` pieces. Returns the versions that each process got, and the resulting number of pieces.
 */
const addConcurrently = async (userId: string, environment: Environment, load: Load) => {
  const args = [userId, String(load.adds), String(load.clients), ...(load.keyed ? ['keyed'] : [])]
  const processes = Array.from({ length: load.processes }, () =>
    fork(script, args, { env: { ...process.env, ...environment } }),
  )
  const exits = processes.map((process) => once(process, 'exit'))
  const messageOf = async (index: number): Promise<unknown> => {
    const message = processes[index] && once(processes[index], 'message')
    return (await Promise.race([message, exits[index]]))?.[0]
  }
  const allMessages = () => Promise.all(processes.map((_, index) => messageOf(index)))
  let versions: number[][]
  try {
    await allMessages()
    const results = allMessages()
    for (const process of processes) if (process.connected) process.send('go')
    versions = (await results) as number[][]
    const codes = (await Promise.all(exits)).map(([code]) => code)
    assert.deepEqual(new Set(codes), new Set([0]))
  } finally {
    for (const process of processes) process.kill('SIGKILL')
  }
  await using adapters = await openAdapters({ config: readConfig(environment), logger: silentLogger })
  const basket = await eventually(20_000, () => adapters.ports.baskets.find(userId))
  return { versions, pieces: basket && pieceCount(basket) }
}

/** Asserts that every add had a version of its own. */
const assertAllTakeEffect = async (userId: string, environment: Environment, load: Load) => {
  const { versions, pieces } = await addConcurrently(userId, environment, load)
  const total = load.processes * load.adds
  assert.equal(pieces, total)
  assert.deepEqual(
    versions.flat().toSorted((a, b) => a - b),
    Array.from({ length: total }, (_, index) => index + 1),
  )
}

describe('concurrent writes of several processes to one basket', () => {
  test('all take effect in SQLite', async () => {
    await using folder = await ownFolder()
    const load = { processes: 2, clients: 1, adds: 100 }
    await assertAllTakeEffect('user123', { DATA_DIR: folder.path }, load)
  })

  for (const clients of [1, 32])
    test(`all take effect in Redis, with ${clients} at a time in each process`, {
      skip: withoutRedis,
    }, async () => {
      const userId = `${ownPrefix()}user`
      try {
        const load = { processes: 2, clients, adds: 100 * clients }
        await assertAllTakeEffect(userId, { REDIS_URL: redisUrl }, load)
      } finally {
        await removeKeys(`basket:${userId}`)
      }
    })

  /** As many keys as a basket remembers. */
  const load = { processes: 2, clients: 4, adds: 16, keyed: true }
  const assertOnce = async (userId: string, environment: Environment) => {
    const { versions, pieces } = await addConcurrently(userId, environment, load)
    assert.equal(pieces, load.adds)
    // Each write has a version of its own. Its repetition has that, or a later one.
    assert.equal(versions.flat().length, 2 * load.adds)
    assert.equal(Math.max(...versions.flat()), load.adds)
  }

  test('with the same idempotency keys take effect once in SQLite', async () => {
    await using folder = await ownFolder()
    await assertOnce('user123', { DATA_DIR: folder.path })
  })

  test('with the same idempotency keys take effect once in Redis', { skip: withoutRedis }, async () => {
    const userId = `${ownPrefix()}user`
    try {
      await assertOnce(userId, { REDIS_URL: redisUrl })
    } finally {
      await removeKeys(`basket:${userId}`)
    }
  })
})
