import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { requestContext, stopOnAbort } from '../src/request-context.ts'

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
