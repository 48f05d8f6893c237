import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { onBehalfOf, requestContext, stopOnAbort } from '../src/request-context.ts'

describe('work that stops on abort', () => {
  it('has the ids and the client of the request, and computes the joined ids only when they are read', () => {
    let computed = 0
    const request = {
      requestId: 'req-1',
      client: 'a',
      joinedIds: () => {
        computed += 1
        return ['req-2']
      },
    }
    const { signal } = new AbortController()
    requestContext.run(request, () =>
      stopOnAbort(signal, () => {
        const context = requestContext.getStore()
        assert.equal(computed, 0)
        assert.deepEqual(context, { ...request, signal })
        assert.deepEqual(context?.joinedIds?.(), ['req-2'])
      }),
    )
  })

  it('stops when its signal or that of the request aborts', () => {
    for (const index of [0, 1] as const) {
      const controllers = [new AbortController(), new AbortController()] as const
      const [{ signal }, request] = controllers
      const signalOfWork = requestContext.run({ requestId: 'req-1', signal: request.signal }, () =>
        stopOnAbort(signal, () => requestContext.getStore()?.signal),
      )
      assert.equal(signalOfWork?.aborted, false)
      controllers[index].abort()
      assert.equal(signalOfWork?.aborted, true)
    }
  })

  it('has an id of its own outside of a request', () => {
    const { signal } = new AbortController()
    const context = stopOnAbort(signal, () => requestContext.getStore())
    assert.equal(context?.requestId.length, 36)
    assert.equal(context?.signal, signal)
  })
})

describe('work on behalf of several callers', () => {
  const signalFor = async (signals: readonly (AbortSignal | undefined)[]) => {
    const waiters = signals.map((signal) => ({ request: { requestId: 'req-1', signal }, span: undefined }))
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<AbortSignal | undefined>()
    const work = onBehalfOf(waiters, () => {
      begin(requestContext.getStore()?.signal)
      return ended
    })
    return { signal: await begun, end: () => [end(), work] as const }
  }

  it('is aborted when the last of them has gone, whatever their order, with the reason of that one', async () => {
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      const callers = [new AbortController(), new AbortController(), new AbortController()]
      const { signal } = await signalFor(callers.map((caller) => caller.signal))
      for (const [count, index] of order.entries()) {
        assert.equal(signal?.aborted, false)
        callers[index]?.abort(`gone ${count}`)
      }
      assert.equal(signal?.reason, 'gone 2')
    }
  })

  it('is not aborted while one of them has no signal', async () => {
    for (const place of [0, 1, 2]) {
      const caller = new AbortController()
      const signals: (AbortSignal | undefined)[] = [caller.signal, caller.signal]
      signals.splice(place, 0, undefined)
      const { signal } = await signalFor(signals)
      caller.abort()
      assert.notEqual(signal?.aborted, true)
    }
  })

  it('does not ask most of them for their signals', async () => {
    const { signal } = new AbortController()
    let asked = 0
    const request = {
      requestId: 'req-1',
      get signal() {
        asked += 1
        return signal
      },
    }
    await onBehalfOf(
      Array.from({ length: 40 }, () => ({ request, span: undefined })),
      async () => {},
    )
    assert.ok(asked <= 2, `asked ${asked}`)
  })
})
