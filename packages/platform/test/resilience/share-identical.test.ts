import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { treeOf } from '@shop/testing/observability/otlp.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { requestContext } from '../../src/request-context.ts'
import { shareIdentical } from '../../src/resilience/share-identical.ts'
import { inSpan } from '../../src/tracing/api.ts'

/** Longer than a call waits before it begins. */
const turn = async () => {
  for (let ticks = 0; ticks < 3; ticks++) await tick()
}

const asIs = (key: string) => key

/** A call that ends when it is told to; `begun` has the keys of those under way and done. */
const held = () => {
  const begun: string[] = []
  const ends: (() => void)[] = []
  const call = (key: string) => {
    begun.push(key)
    return new Promise<string>((resolve) => ends.push(() => resolve(`${key} ${begun.length}`)))
  }
  return { call, begun, endFirst: () => ends.shift()?.() }
}

describe('identical calls', () => {
  it('are in the trace of the first of them, and the spans of the others point to there', async () => {
    const get = shareIdentical(String, (key: number) => inSpan('call', async () => key))
    const spans = await spansOf(() =>
      Promise.all([0, 1].map((index) => inRequest(`request ${index}`, () => get(7)))),
    )
    const first = spans.find(({ name }) => name === 'request 0')
    assert.equal(treeOf(spans, first?.id ?? ''), 'test-service internal call\n')
    const linksOf = Object.fromEntries(spans.map(({ name, links }) => [name, links]))
    assert.deepEqual(linksOf, { call: [], 'request 0': [], 'request 1': [first?.id] })
  })

  it('that come together are one, and those that come while it is under way are the next one', async () => {
    const { call, begun, endFirst } = held()
    const get = shareIdentical(asIs, call)
    const first = [get('a'), get('a')]
    await turn()
    const second = [get('a'), get('a'), get('a')]
    await turn()
    assert.deepEqual(begun, ['a'])
    endFirst()
    assert.deepEqual(await Promise.all(first), ['a 1', 'a 1'])
    await turn()
    assert.deepEqual(begun, ['a', 'a'])
    endFirst()
    assert.deepEqual(await Promise.all(second), ['a 2', 'a 2', 'a 2'])
  })

  it('are not held up by others', async () => {
    const { call, begun } = held()
    const get = shareIdentical(asIs, call)
    void get('slow')
    await turn()
    void get('slow')
    void get('other')
    await turn()
    assert.deepEqual(begun, ['slow', 'other'])
  })

  it('fail together, and the next one is made all the same', async () => {
    let calls = 0
    const get = shareIdentical(asIs, async () => {
      calls += 1
      if (calls === 1) throw new Error('once')
      return calls
    })
    const together = Promise.allSettled([get('a'), get('a')])
    await turn()
    const next = get('a')
    assert.deepEqual(
      (await together).map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(await next, 2)
    assert.equal(await get('a'), 3)
  })

  it('never get what was there before they were made', async () => {
    let stored = 0
    const get = shareIdentical(asIs, async () => {
      const value = stored
      await turn()
      return value
    })
    const storm = setInterval(() => void get('key'), 0)
    for (let written = 1; written <= 2_000; written++) {
      void get('key')
      stored = written
      assert.ok((await get('key')) >= written)
    }
    clearInterval(storm)
  })

  it('are made with the request id of the first', async () => {
    const get = shareIdentical(asIs, async () => requestContext.getStore()?.requestId)
    const from = (requestId: string) => requestContext.run({ requestId }, () => get('key'))
    assert.deepEqual(await Promise.all([from('a'), from('b')]), ['a', 'a'])
  })

  it('do not begin when all who asked have gone by then, and stop when the last one goes', async () => {
    const begun: (AbortSignal | undefined)[] = []
    const states = () => begun.map((signal) => signal?.aborted)
    const get = shareIdentical(asIs, (key: string) => {
      begun.push(requestContext.getStore()?.signal)
      return new Promise<string>((resolve) => void setTimeout(resolve, 100, key))
    })
    const ask = (key: string, signal: AbortSignal) =>
      requestContext.run({ requestId: 'x', signal }, () => get(key))

    const gone = new AbortController()
    const reason = new Error('gone')
    const abandoned = assert.rejects(ask('a', gone.signal), reason)
    gone.abort(reason)
    await abandoned
    assert.deepEqual(states(), [])

    const [first, last] = [new AbortController(), new AbortController()]
    const waiting = [ask('b', first.signal), ask('b', last.signal)]
    await turn()
    first.abort()
    assert.deepEqual(states(), [false])
    last.abort()
    assert.deepEqual(states(), [true])
    await Promise.all(waiting)
  })
})
