import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { treeOf } from '@shop/testing/observability/otlp.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { requestContext } from '../../src/request-context.ts'
import { shareIdentical } from '../../src/resilience/share-identical.ts'
import { inSpan } from '../../src/tracing/api.ts'

/** Waits longer than a call waits before it starts. */
const severalTicks = async () => {
  for (let ticks = 0; ticks < 3; ticks++) await tick()
}

const identity = (key: string) => key

/**
 * Creates a function whose calls stay pending until `endFirst()` ends the oldest. `started` has the keys of all
 * calls so far.
 */
const createPendingCall = () => {
  const started: string[] = []
  const resolvers: (() => void)[] = []
  const call = (key: string) => {
    started.push(key)
    return new Promise<string>((resolve) => resolvers.push(() => resolve(`${key} ${started.length}`)))
  }
  return { call, started, endFirst: () => resolvers.shift()?.() }
}

describe('identical calls', () => {
  it('run in the trace of the first request, to which the spans of the other requests link', async () => {
    const get = shareIdentical(String, (key: number) => inSpan('call', async () => key))
    const spans = await spansOf(() =>
      Promise.all([0, 1].map((index) => inRequest(`request ${index}`, () => get(7)))),
    )
    const first = spans.find(({ name }) => name === 'request 0')
    assert.equal(treeOf(spans, first?.id ?? ''), 'test-service internal call\n')
    const linksByName = Object.fromEntries(spans.map(({ name, links }) => [name, links]))
    assert.deepEqual(linksByName, { call: [], 'request 0': [], 'request 1': [first?.id] })
  })

  it('share one run, and calls made during that run share the next one', async () => {
    const { call, started, endFirst } = createPendingCall()
    const get = shareIdentical(identity, call)
    const first = [get('a'), get('a')]
    await severalTicks()
    const second = [get('a'), get('a'), get('a')]
    await severalTicks()
    assert.deepEqual(started, ['a'])
    endFirst()
    assert.deepEqual(await Promise.all(first), ['a 1', 'a 1'])
    await severalTicks()
    assert.deepEqual(started, ['a', 'a'])
    endFirst()
    assert.deepEqual(await Promise.all(second), ['a 2', 'a 2', 'a 2'])
  })

  it('do not wait for calls with other keys', async () => {
    const { call, started } = createPendingCall()
    const get = shareIdentical(identity, call)
    void get('slow')
    await severalTicks()
    void get('slow')
    void get('other')
    await severalTicks()
    assert.deepEqual(started, ['slow', 'other'])
  })

  it('fail together, and the next call still runs', async () => {
    let calls = 0
    const get = shareIdentical(identity, async () => {
      calls += 1
      if (calls === 1) throw new Error('once')
      return calls
    })
    const together = Promise.allSettled([get('a'), get('a')])
    await severalTicks()
    const next = get('a')
    assert.deepEqual(
      (await together).map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(await next, 2)
    assert.equal(await get('a'), 3)
  })

  it('see everything that was written before them', async () => {
    let stored = 0
    const get = shareIdentical(identity, async () => {
      const value = stored
      await severalTicks()
      return value
    })
    const backgroundCalls = setInterval(() => void get('key'), 0)
    for (let written = 1; written <= 2_000; written++) {
      void get('key')
      stored = written
      assert.ok((await get('key')) >= written)
    }
    clearInterval(backgroundCalls)
  })

  it('run with the request id of the first call', async () => {
    const get = shareIdentical(identity, async () => requestContext.getStore()?.requestId)
    const from = (requestId: string) => requestContext.run({ requestId }, () => get('key'))
    assert.deepEqual(await Promise.all([from('a'), from('b')]), ['a', 'a'])
  })

  it('do not start if all callers have already aborted, and are aborted when the last caller aborts', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const states = () => signals.map((signal) => signal?.aborted)
    const get = shareIdentical(identity, (key: string) => {
      signals.push(requestContext.getStore()?.signal)
      return new Promise<string>((resolve) => void setTimeout(resolve, 100, key))
    })
    const getFor = (key: string, signal: AbortSignal) =>
      requestContext.run({ requestId: 'x', signal }, () => get(key))

    const early = new AbortController()
    const reason = new Error('gone')
    const rejected = assert.rejects(getFor('a', early.signal), reason)
    early.abort(reason)
    await rejected
    assert.deepEqual(states(), [])

    const [first, last] = [new AbortController(), new AbortController()]
    const waiting = [getFor('b', first.signal), getFor('b', last.signal)]
    await severalTicks()
    first.abort()
    assert.deepEqual(states(), [false])
    last.abort()
    assert.deepEqual(states(), [true])
    await Promise.all(waiting)
  })
})
