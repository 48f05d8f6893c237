import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import { UnreadableRow } from '@shop/postgres/errors.ts'
import { sharedBatchReads } from '../../../src/infrastructure/reading/shared-batch-reads.ts'

type Row = Readonly<{ id: number }>

const limits = {
  slots: 3,
  maxBatchSize: 1_000,
  maxWaiting: 128,
  maxWaitingPerClient: 64,
  maxWaitMs: 2_000,
  refuse: () => new AppError('rate_limited', 'refused'),
}

/** Reads whose statements run until `end` is called. Even ids exist, unless they are damaged. */
const open = (damaged = new Set<number>(), error: unknown = new Error('cannot be read')) => {
  const statements: (readonly number[])[] = []
  const ended = Promise.withResolvers<void>()
  const load = async (ids: readonly number[]): Promise<Row[]> => {
    statements.push(ids)
    await ended.promise
    if (ids.some((id) => damaged.has(id))) throw error
    return ids
      .filter((id) => id % 2 === 0)
      .toSorted((a, b) => a - b)
      .map((id) => ({ id }))
  }
  const read = sharedBatchReads(limits)
  return { read: read(load), other: read((ids) => load(ids)), statements, end: () => ended.resolve() }
}

const idsOf = (rows: readonly Row[]) => rows.map(({ id }) => id)

describe('reads of several ids', () => {
  it('are sent at once if they come alone', () => {
    const { read, statements } = open()
    void read([2])
    assert.deepEqual(statements, [[2]])
  })

  it('share a statement if they come together; each gets its own rows by id, and the same objects', async () => {
    const { read, statements, end } = open()
    const first = read([2])
    const [second, third] = [read([8, 6, 5]), read([6, 4, 6])]
    await nextTurn()
    assert.deepEqual(statements, [[2], [8, 6, 5, 4]])
    const later = read([10])
    await nextTurn()
    assert.deepEqual(statements.at(-1), [10], 'a statement that was sent is not joined')
    end()
    assert.deepEqual(idsOf(await first), [2])
    assert.deepEqual(idsOf(await second), [6, 8])
    assert.deepEqual(idsOf(await third), [4, 6])
    assert.equal((await second)[0], (await third)[1])
    assert.deepEqual(idsOf(await later), [10])
  })

  it('share statements of at most 1,000 ids', async () => {
    const { read, statements, end } = open()
    const calls = [0, 1, 2, 3, 4].map((call) => read(Array.from({ length: 400 }, (_, id) => call * 400 + id)))
    await nextTurn()
    end()
    assert.deepEqual(
      (await Promise.all(calls)).map(({ length }) => length),
      Array(5).fill(200),
    )
    assert.deepEqual(
      statements.map(({ length }) => length),
      [400, 800, 800],
    )
  })

  it('of other columns are statements of their own', async () => {
    const { read, other, statements, end } = open()
    const calls = [read([2]), read([4]), other([6]), read([8])]
    end()
    assert.deepEqual((await Promise.all(calls)).flatMap(idsOf), [2, 4, 6, 8])
    assert.deepEqual(statements, [[2], [4, 8], [6]])
  })

  it('fail alone if only their rows cannot be read, and together if the store is away', async () => {
    const damage = new AppError('unavailable', 'away', { cause: new UnreadableRow('damaged') })
    for (const [error, expected] of [
      [new Error('cannot be read'), ['fulfilled', 'fulfilled', 'rejected']],
      [damage, ['fulfilled', 'fulfilled', 'rejected']],
      [new AppError('unavailable', 'away'), ['fulfilled', 'rejected', 'rejected']],
    ] as const) {
      const { read, end } = open(new Set([4]), error)
      const calls = Promise.allSettled([read([8]), read([2]), read([4, 6])])
      end()
      assert.deepEqual(
        (await calls).map(({ status }) => status),
        expected,
      )
    }
  })

  it('of a client with many calls do not delay those of others', async () => {
    const { read, statements, end } = open()
    const as = (client: string, ids: readonly number[]) =>
      requestContext.run({ requestId: client, client }, () => read(ids))
    const large = (call: number) => Array.from({ length: 1_000 }, (_, id) => call * 1_000 + id)
    const calls = [0, 1, 2, 3, 4, 5].map((call) => as('busy', large(call)))
    calls.push(as('other', [7_000]))
    await nextTurn()
    end()
    await Promise.all(calls)
    assert.deepEqual(
      statements.map(([first]) => first),
      [0, 1_000, 7_000, 2_000, 3_000, 4_000, 5_000],
    )
  })
})
