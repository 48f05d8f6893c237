import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Context } from '@shop/kernel/context.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import { pipeline, type Step } from '../src/pipeline.ts'

const context: Context = { requestId: 'req-1', principal: anonymous }

const useCases = {
  price: async ({ id }: Readonly<{ id: number }>, { requestId }: Context) => `${id} for ${requestId}`,
  fail: async (_input: object): Promise<string> => {
    throw new Error('bug')
  },
}

describe('pipeline', () => {
  it('passes the name, input and context of every call to each step, the first step outermost', async () => {
    const calls: unknown[] = []
    const record =
      (step: string): Step =>
      (use, name) =>
      (input, callContext) => {
        calls.push([step, name, input, callContext])
        return use(input, callContext)
      }
    const use = pipeline(useCases, [record('outer'), record('inner')])
    assert.deepEqual(Object.keys(use), ['price', 'fail'])
    assert.equal(await use.price({ id: 7 }, context), '7 for req-1')
    assert.deepEqual(calls, [
      ['outer', 'price', { id: 7 }, context],
      ['inner', 'price', { id: 7 }, context],
    ])
    await assert.rejects(use.fail({}, context), { message: 'bug' })
  })

  it('lets a step change the context or reject the call', async () => {
    const changeId: Step = (use) => (input, callContext) =>
      use(input, { ...callContext, requestId: 'changed' })
    assert.equal(await pipeline(useCases, [changeId]).price({ id: 7 }, context), '7 for changed')
    const rejectPrice: Step = (use, name) => (name === 'price' ? () => Promise.reject(new Error('no')) : use)
    await assert.rejects(pipeline(useCases, [rejectPrice]).price({ id: 7 }, context), { message: 'no' })
  })

  it('composes the steps once, and adds no wrapper for a step that returns the use case itself', async () => {
    let composed = 0
    const passThrough: Step = (use) => {
      composed += 1
      return use
    }
    const use = pipeline(useCases, [passThrough])
    for (let call = 0; call < 3; call++) await use.price({ id: call }, context)
    assert.equal(composed, 2)
    assert.equal(use.price, useCases.price)
  })
})
