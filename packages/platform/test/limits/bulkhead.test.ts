import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay, setImmediate as tick } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AppError } from '@shop/kernel/errors.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { type BulkheadOptions, createBulkhead } from '../../src/limits/bulkhead.ts'
import { countedRefusals } from '../../src/limits/refusals.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { requestContext } from '../../src/request-context.ts'
import { shareIdentical } from '../../src/resilience/share-identical.ts'

const defaults = {
  slots: 1,
  maxWaiting: 100,
  maxWaitingPerClient: 100,
  maxWaitMs: 60_000,
  refuse: countedRefusals('tasks', 'tasks', undefined),
} as const satisfies BulkheadOptions

type From = Readonly<{ client?: string | undefined; signal?: AbortSignal }>

/** Runs the work as a request of this client. */
const as = <Result>({ client, signal }: From, work: () => Result): Result =>
  requestContext.run({ requestId: `of ${client}`, client, signal }, work)

/** Creates tasks that run until `endFirst()` ends the oldest. `started` has the names of all tasks so far. */
const pendingTasks = () => {
  const started: string[] = []
  const ends: (() => void)[] = []
  return {
    started,
    task: (name: string) => () => {
      started.push(name)
      return new Promise<string>((resolve) => ends.push(() => resolve(name)))
    },
    endFirst: async () => {
      ends.shift()?.()
      await tick()
    },
    endAll: async () => {
      for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
        end()
        await tick()
      }
    },
  }
}

const open = (options: Partial<BulkheadOptions> = {}) => {
  const tasks = pendingTasks()
  const bulkhead = createBulkhead({ ...defaults, ...options })
  return {
    ...tasks,
    bulkhead,
    run: (name: string, from: From = {}) => as(from, () => bulkhead.run(tasks.task(name))),
    [Symbol.asyncDispose]: async () => {
      await tasks.endAll()
      assert.ok(bulkhead.isIdle())
    },
  }
}

/** A task that runs although it should wait would never end. */
const withDeadline = { timeout: 10_000 }

describe('a bulkhead', withDeadline, () => {
  it('runs as many tasks at a time as it has slots, and the next one when one ends, even by an error', async () => {
    await using opened = open({ slots: 2 })
    const { run, started, endFirst, bulkhead } = opened
    const results = ['a', 'b', 'c'].map((name) => run(name))
    const failing = assert.rejects(
      bulkhead.run(() => Promise.reject(new Error('this one'))),
      /^Error: this one$/,
    )
    const last = run('last')
    assert.deepEqual(started, ['a', 'b'])
    await endFirst()
    assert.deepEqual(started, ['a', 'b', 'c'])
    await endFirst()
    await failing
    assert.deepEqual(started, ['a', 'b', 'c', 'last'])
    await endFirst()
    await endFirst()
    assert.deepEqual(await Promise.all(results), ['a', 'b', 'c'])
    assert.equal(await last, 'last')
    assert.ok(bulkhead.isIdle())
  })

  it('takes the clients in turn', async () => {
    await using opened = open()
    const { run, started, endFirst } = opened
    for (const name of ['a1', 'a2', 'a3', 'a4']) void run(name, { client: 'ann' })
    void run('b1', { client: 'bob' })
    void run('x1')
    void run('b2', { client: 'bob' })
    for (let ends = 0; ends < 6; ends++) await endFirst()
    assert.deepEqual(started, ['a1', 'a2', 'b1', 'x1', 'a3', 'b2', 'a4'])
  })

  it('refuses what exceeds the share of a client as rate_limited, and lets the others wait', async () => {
    await using opened = open({ maxWaitingPerClient: 2 })
    const { run, bulkhead } = opened
    void run('running', { client: 'ann' })
    for (const name of ['a1', 'a2']) void run(name, { client: 'ann' })
    await assert.rejects(run('a3', { client: 'ann' }), hasCode('rate_limited'))
    void run('b1', { client: 'bob' })
    for (const name of ['x1', 'x2', 'x3']) void run(name)
    assert.equal(bulkhead.waiting(), 6)
  })

  it('refuses what exceeds the total as unavailable, and counts refusals by scope, from 0 on', async () => {
    const metrics = createMetrics('test-service', '0')
    const refuse = countedRefusals('tasks', 'tasks', metrics)
    const assertCounted = async (client: number, total: number) =>
      assert.deepEqual(
        (await metrics.refusals.get()).values.map(({ labels, value }) => ({ ...labels, value })),
        [
          { reason: 'tasks', scope: 'client', value: client },
          { reason: 'tasks', scope: 'total', value: total },
        ],
      )
    await assertCounted(0, 0)
    await using opened = open({ maxWaiting: 2, maxWaitingPerClient: 1, refuse })
    const { run } = opened
    void run('running')
    void run('a1', { client: 'ann' })
    await assert.rejects(
      run('a2', { client: 'ann' }),
      /^AppError: too many tasks from your address, try again/,
    )
    void run('b1', { client: 'bob' })
    await assert.rejects(run('c1', { client: 'cid' }), hasCode('unavailable'))
    await assertCounted(1, 1)
  })

  it('lets the work of admitted callers wait whatever the limits are', async () => {
    await using opened = open({ maxWaiting: 1, maxWaitingPerClient: 1 })
    const { run, bulkhead, task, started, endFirst } = opened
    void run('running')
    void run('a1', { client: 'ann' })
    void as({ client: 'ann' }, () => bulkhead.runAnyway(task('anyway')))
    await endFirst()
    await endFirst()
    assert.deepEqual(started, ['running', 'a1', 'anyway'])
  })

  it('forgets a task whose caller is gone, at once and without running it', async () => {
    await using opened = open({ maxWaiting: 1 })
    const { run, bulkhead, started, endFirst } = opened
    void run('running')
    const gone = new AbortController()
    const reason = new AppError('unavailable', 'gone')
    const abandoned = run('abandoned', { client: 'ann', signal: gone.signal })
    gone.abort(reason)
    assert.equal(bulkhead.waiting(), 0)
    await assert.rejects(abandoned, reason)
    await assert.rejects(run('late', { client: 'ann', signal: gone.signal }), reason)
    void run('next', { client: 'ann' })
    await endFirst()
    await endFirst()
    assert.deepEqual(started, ['running', 'next'])
    assert.ok(bulkhead.isIdle())
  })

  it('refuses a task that has waited too long, and never runs it', async () => {
    await using opened = open({ maxWaitMs: 20 })
    const { run, started, endFirst, bulkhead } = opened
    void run('running')
    await assert.rejects(run('late'), hasCode('unavailable'))
    await endFirst()
    assert.deepEqual(started, ['running'])
    assert.ok(bulkhead.isIdle())
    await Promise.all([run('at once'), endFirst()])
  })

  it('runs each task in the context of its caller', async () => {
    await using opened = open()
    const { run, endFirst, bulkhead } = opened
    void run('running', { client: 'ann' })
    const client = as({ client: 'bob' }, () => bulkhead.run(async () => requestContext.getStore()?.client))
    await endFirst()
    assert.equal(await client, 'bob')
  })
})

describe('calls that share a task of a bulkhead', withDeadline, () => {
  /** Lists go through one slot. `get` asks for one as a client. */
  const openShared = async (options: Partial<BulkheadOptions> = {}) => {
    const opened = open(options)
    const shared = shareIdentical(String, (name: string) => opened.task(name)(), opened.bulkhead.enter)
    const get = (name: string, from: From = {}) => as(from, () => shared(name))
    void get('running', { client: 'ann' })
    await delay(5)
    return { ...opened, get }
  }

  it('join it while it waits', async () => {
    await using opened = await openShared({ maxWaiting: 1 })
    const { get, started, endFirst, bulkhead } = opened
    const first = get('popular', { client: 'ann' })
    await delay(5)
    const others = ['bob', 'cid'].map((client) => get('popular', { client }))
    await delay(5)
    assert.equal(bulkhead.waiting(), 1)
    await endFirst()
    await endFirst()
    assert.deepEqual(await Promise.all([first, ...others]), ['popular', 'popular', 'popular'])
    assert.deepEqual(started, ['running', 'popular'])
  })

  it('do not wait behind the other tasks of the client that was first, nor are they refused with it', async () => {
    await using opened = await openShared({ maxWaitingPerClient: 3 })
    const { get, started, endFirst } = opened
    for (const name of ['a1', 'a2', 'popular']) void get(name, { client: 'ann' })
    await delay(5)
    const joined = get('popular', { client: 'bob' })
    const together = [get('favourite', { client: 'ann' }), get('favourite', { client: 'cid' })]
    await assert.rejects(get('refused', { client: 'ann' }), hasCode('rate_limited'))
    for (let ends = 0; ends < 5; ends++) await endFirst()
    assert.deepEqual(started, ['running', 'a1', 'popular', 'favourite', 'a2'])
    assert.deepEqual(await Promise.all([joined, ...together]), ['popular', 'favourite', 'favourite'])
  })

  it('leave the queue when the last caller is gone, and later ones begin anew', async () => {
    await using opened = await openShared()
    const { get, started, endFirst, bulkhead } = opened
    const [one, other] = [new AbortController(), new AbortController()]
    const calls = [get('page', { signal: one.signal }), get('page', { client: 'bob', signal: other.signal })]
    const settled = Promise.allSettled(calls)
    await delay(5)
    one.abort()
    assert.equal(bulkhead.waiting(), 1)
    other.abort()
    assert.equal(bulkhead.waiting(), 0)
    await settled
    const again = get('page')
    await delay(5)
    await endFirst()
    await endFirst()
    assert.equal(await again, 'page')
    assert.deepEqual(started, ['running', 'page'])
  })
})

describe('the result of a task', withDeadline, () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')

  // Kept connections of HTTP refer to the signal of their last request.
  it('is not kept by the signals of requests that waited for it', async () => {
    const { signal } = new AbortController()
    const bulkhead = createBulkhead(defaults)
    const list = shareIdentical(
      () => 'page',
      async () => ({ items: [] }),
      bulkhead.enter,
    )
    const running = Promise.withResolvers<void>()
    const first = bulkhead.run(() => running.promise)
    const result = (async () => new WeakRef(await as({ signal }, () => list(1))))()
    await tick()
    await tick()
    await tick()
    assert.equal(bulkhead.waiting(), 1)
    running.resolve()
    await first
    const page = await result
    await tick()
    collectGarbage()
    assert.equal(page.deref(), undefined)
    assert.equal(signal.aborted, false)
  })
})
