import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay, setImmediate as tick } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { type BatchesOptions, createBatches, type Outcome } from '../../src/limits/batches/batches.ts'
import { keyedBatches } from '../../src/limits/batches/keyed-batches.ts'
import { countedRefusals } from '../../src/limits/refusals.ts'
import { requestContext } from '../../src/request-context.ts'

const refuse = countedRefusals('writes', 'writes', undefined)
const waiting = { maxWaiting: 100, maxWaitingPerClient: 100, maxWaitMs: 60_000, refuse } as const

type From = Readonly<{ client?: string | undefined; signal?: AbortSignal }>

const as = <Result>({ client, signal }: From, work: () => Result): Result =>
  requestContext.run({ requestId: `of ${client}`, client, signal }, work)

const upperCase = (items: readonly string[]): Outcome<string>[] =>
  items.map((item) => (item === 'bad' ? { error: new Error('this one') } : { value: item.toUpperCase() }))

type Options = Partial<Omit<BatchesOptions<string, string>, 'run'>>

/** Batches that run until `end()` ends the oldest. */
const open = (options: Options = {}) => {
  const started: (readonly string[])[] = []
  const ends: ((error?: Error) => void)[] = []
  const { add } = createBatches<string, string>({
    slots: 1,
    maxBatchSize: 100,
    ...waiting,
    ...options,
    run: (items) => {
      started.push(items)
      return new Promise((resolve, reject) =>
        ends.push((error) => (error === undefined ? resolve(upperCase(items)) : reject(error))),
      )
    },
  })
  return {
    started,
    add: (item: string, from: From = {}) => as(from, () => add(item)),
    end: async (error?: Error) => {
      ends.shift()?.(error)
      await tick()
    },
  }
}

describe('batches', () => {
  it('hold all items of a turn, in their order, and settle each with its own outcome', async () => {
    const { add, started, end } = open()
    const results = Promise.allSettled(['a', 'bad', 'c'].map((item) => add(item)))
    await tick()
    assert.deepEqual(started, [['a', 'bad', 'c']])
    await end()
    assert.deepEqual(
      (await results).map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message)),
      ['A', 'this one', 'C'],
    )
  })

  it('hold items up to their size; an item that is larger is alone', async () => {
    const { add, started, end } = open({ maxBatchSize: 3, sizeOf: ({ length }) => length })
    const results = ['large', 'a', 'bb', 'c'].map((item) => add(item))
    await tick()
    for (let left = 3; left > 0; left--) await end()
    assert.deepEqual(started, [['large'], ['a', 'bb'], ['c']])
    await Promise.all(results)
  })

  it('begin when a slot is free, with what has come meanwhile, at most the maximum', async () => {
    const { add, started, end } = open({ slots: 2, maxBatchSize: 2 })
    const results = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((item) => add(item))
    await tick()
    assert.deepEqual(started, [
      ['a', 'b'],
      ['c', 'd'],
    ])
    await end()
    assert.deepEqual(started[2], ['e', 'f'])
    assert.equal(started.length, 3)
    for (let left = 3; left > 0; left--) await end()
    assert.deepEqual(await Promise.all(results), ['A', 'B', 'C', 'D', 'E', 'F', 'G'])
    assert.equal(started.length, 4)
    // Both slots are free again.
    const more = ['h', 'i', 'j'].map((item) => add(item))
    await tick()
    assert.deepEqual(started.slice(4), [['h', 'i'], ['j']])
    for (let left = 2; left > 0; left--) await end()
    await Promise.all(more)
  })

  it('fail all their items if they fail as a whole, and the next one begins', async () => {
    const { add, started, end } = open()
    const first = ['a', 'b'].map((item) => assert.rejects(add(item), /^Error: lost$/))
    await tick()
    const next = add('c')
    await end(new Error('lost'))
    await Promise.all(first)
    assert.deepEqual(started[1], ['c'])
    await end()
    assert.equal(await next, 'C')
  })

  it('fail all their items if an outcome is missing', async () => {
    const { add } = createBatches<string, string>({
      ...waiting,
      slots: 1,
      maxBatchSize: 10,
      run: async (items) => upperCase(items).slice(1),
    })
    await Promise.all(['a', 'b'].map((item) => assert.rejects(add(item), /one outcome per item/)))
  })

  it('take the clients in turn', async () => {
    const { add, started, end } = open({ maxBatchSize: 3 })
    const running = add('running')
    await tick()
    const results = ['a1', 'a2', 'a3', 'a4', 'b1', 'c1'].map((item) => add(item, { client: item[0] }))
    await end()
    assert.deepEqual(started[1], ['a1', 'b1', 'c1'])
    await end()
    assert.deepEqual(started[2], ['a2', 'a3', 'a4'])
    await end()
    await Promise.all([running, ...results])
  })

  it('refuse what exceeds the share of a client, or the total; the refused items are in no batch', async () => {
    const { add, started, end } = open({ maxWaiting: 3, maxWaitingPerClient: 2 })
    const running = add('running')
    await tick()
    const accepted = [add('a', { client: 'a' }), add('b', { client: 'a' })]
    await assert.rejects(add('c', { client: 'a' }), hasCode('rate_limited'))
    accepted.push(add('d'))
    await assert.rejects(add('e'), hasCode('unavailable'))
    await assert.rejects(add('f', { client: 'b' }), hasCode('unavailable'))
    await end()
    assert.deepEqual(started[1]?.toSorted(), ['a', 'b', 'd'])
    await end()
    await Promise.all([running, ...accepted])
  })

  it('refuse an item that has waited for too long, and no younger one', async () => {
    const { add, started, end } = open({ maxWaitMs: 200 })
    const running = add('running')
    await tick()
    const first = assert.rejects(add('first'), hasCode('unavailable'))
    await delay(120)
    const second = add('second')
    await first
    await end()
    assert.deepEqual(started, [['running'], ['second']])
    await end()
    assert.deepEqual(await Promise.all([running, second]), ['RUNNING', 'SECOND'])
  })

  it('refuse each item after its own time', async () => {
    const { add, end } = open({ maxWaitMs: 100 })
    const running = add('running')
    await tick()
    const first = assert.rejects(add('first'), hasCode('unavailable'))
    await delay(50)
    const second = assert.rejects(add('second'), hasCode('unavailable'))
    await Promise.all([first, second])
    await end()
    assert.equal(await running, 'RUNNING')
  })

  it('drop an item whose caller has gone, and run as long as one caller waits', async () => {
    const { add, started, end } = open()
    const running = add('running')
    await tick()
    const [gone, other] = [new AbortController(), new AbortController()]
    const reason = new AppError('unavailable', 'gone')
    const dropped = assert.rejects(add('gone', { signal: gone.signal }), (error) => error === reason)
    const kept = add('kept', { signal: other.signal })
    gone.abort(reason)
    await end()
    await dropped
    assert.deepEqual(started[1], ['kept'])
    await end()
    assert.deepEqual(await Promise.all([running, kept]), ['RUNNING', 'KEPT'])
  })

  it('drop the first item of a turn too, if its caller goes in this turn', async () => {
    const { add, started, end } = open()
    const gone = new AbortController()
    const reason = new AppError('unavailable', 'gone')
    const dropped = assert.rejects(add('gone', { signal: gone.signal }), (error) => error === reason)
    const kept = add('kept')
    gone.abort(reason)
    await tick()
    assert.deepEqual(started, [['kept']])
    await dropped
    await end()
    assert.equal(await kept, 'KEPT')
  })

  it('leave no listeners on the signals of their callers', async () => {
    const { add, end } = open()
    const signals = ['a', 'b', 'c'].map(() => new AbortController().signal)
    const results = signals.map((signal) => add('item', { signal }))
    await tick()
    const listeners = () => signals.map((signal) => getEventListeners(signal, 'abort').length)
    assert.deepEqual(listeners(), [0, 0, 1], 'the last to come is watched')
    await end()
    await Promise.all(results)
    assert.deepEqual(listeners(), [0, 0, 0])
  })

  it('run in the context of their first caller', async () => {
    const seen: unknown[] = []
    const { add } = createBatches<string, string>({
      ...waiting,
      slots: 1,
      maxBatchSize: 10,
      run: async (items) => {
        await tick()
        const { requestId, joinedIds } = requestContext.getStore() ?? {}
        seen.push([requestId, joinedIds?.()])
        return upperCase(items)
      },
    })
    const first = as({ client: 'x' }, () => add('a'))
    await tick()
    await Promise.all([first, ...['b', 'c'].map((item) => as({ client: item }, () => add(item)))])
    await add('d')
    assert.deepEqual(seen, [
      ['of x', undefined],
      ['of b', ['of c']],
      [undefined, undefined],
    ])
  })
})

describe('batches of keys', () => {
  it('run one at a time for each key; keys do not wait for each other', async () => {
    const started: string[] = []
    const ends = new Map<string, () => void>()
    const batches = keyedBatches<string, string, string>({
      ...waiting,
      maxBatchSize: 2,
      run: (key, items) => {
        started.push(`${key}: ${items.join()}`)
        return new Promise((resolve) => ends.set(key, () => resolve(upperCase(items))))
      },
    })
    const results = ['a', 'b', 'c', 'd'].map((item) => batches.add('one', item))
    const other = batches.add('two', 'x')
    assert.deepEqual(started, ['one: a', 'two: x'])
    for (const key of ['one', 'one', 'two', 'one']) {
      ends.get(key)?.()
      await tick()
    }
    assert.deepEqual(started, ['one: a', 'two: x', 'one: b,c', 'one: d'])
    assert.deepEqual(await Promise.all([...results, other]), ['A', 'B', 'C', 'D', 'X'])
    assert.equal(batches.isBusy('one'), false)
  })

  it('never run two batches of a key at a time, even if one is added when another ends', async () => {
    let running = 0
    const batches = keyedBatches<string, number, number>({
      ...waiting,
      maxBatchSize: 10,
      run: async (_key, items) => {
        running += 1
        assert.equal(running, 1)
        await tick()
        running -= 1
        return items.map((value) => ({ value }))
      },
    })
    const addThrice = async (item: number) => {
      for (let left = 3; left > 0; left--) assert.equal(await batches.add('key', item), item)
    }
    await Promise.all(Array.from({ length: 20 }, (_, item) => addThrice(item)))
    assert.equal(batches.isBusy('key'), false)
  })

  it('fail an item that comes alone as they fail those of a batch', async () => {
    const { add, isBusy } = keyedBatches<string, string, string>({
      ...waiting,
      maxBatchSize: 2,
      run: async (key, items) => {
        if (key === 'down') throw new Error('lost')
        return key === 'none' ? [] : upperCase(items)
      },
    })
    await assert.rejects(add('key', 'bad'), /^Error: this one$/)
    await assert.rejects(add('down', 'a'), /^Error: lost$/)
    await assert.rejects(add('none', 'a'), /one outcome per item/)
    const signal = AbortSignal.abort(new AppError('unavailable', 'gone'))
    await assert.rejects(
      as({ signal }, () => add('key', 'a')),
      hasCode('unavailable'),
    )
    assert.deepEqual(['key', 'down', 'none'].map(isBusy), [false, false, false])
    assert.equal(await add('key', 'a'), 'A')
  })

  it('run an item that comes alone in the context of its caller', async () => {
    const { add } = keyedBatches<string, string, unknown>({
      ...waiting,
      maxBatchSize: 2,
      run: async (_key, items) => items.map(() => ({ value: requestContext.getStore()?.requestId })),
    })
    assert.equal(await as({ client: 'a' }, () => add('key', 'item')), 'of a')
  })
})
