import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Context } from '@shop/kernel/context.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import { pipeline } from '../../src/pipeline.ts'
import { requestContext } from '../../src/request-context.ts'
import { unstoppable } from '../../src/resilience/unstoppable.ts'

it('a command has no abort signal in its context or its request context, while a query has both', async () => {
  const signals = async (_input: object, { signal }: Context) => [signal, requestContext.getStore()?.signal]
  const use = pipeline({ write: signals, read: signals }, [unstoppable((name) => name === 'write')])
  const { signal } = new AbortController()
  const context = { requestId: 'req-1', principal: anonymous, signal }
  const call = (name: 'write' | 'read') => requestContext.run(context, () => use[name]({}, context))
  assert.deepEqual(await call('write'), [undefined, undefined])
  assert.deepEqual(await call('read'), [signal, signal])
  // A job has no request context.
  assert.deepEqual(await use.write({}, context), [undefined, undefined])
})

it('a command keeps the id of its request', async () => {
  const use = pipeline({ write: async () => requestContext.getStore()?.requestId }, [unstoppable(() => true)])
  const context = { requestId: 'req-1', principal: anonymous }
  assert.equal(await requestContext.run(context, () => use.write({}, context)), 'req-1')
})
