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

describe('the pipeline', () => {
  it('shows each step the name, the input and the context of every call, the first step first', async () => {
    const seen: unknown[] = []
    const watch =
      (step: string): Step =>
      (use, name) =>
      (input, given) => {
        seen.push([step, name, input, given])
        return use(input, given)
      }
    const use = pipeline(useCases, [watch('outer'), watch('inner')])
    assert.deepEqual(Object.keys(use), ['price', 'fail'])
    assert.equal(await use.price({ id: 7 }, context), '7 for req-1')
    assert.deepEqual(seen, [
      ['outer', 'price', { id: 7 }, context],
      ['inner', 'price', { id: 7 }, context],
    ])
    await assert.rejects(use.fail({}, context), { message: 'bug' })
  })

  it('lets a step refuse, answer by itself, and change input, context and result', async () => {
    const twice: Step = (use) => async (input, given) => {
      const first = await use(input, { ...given, requestId: 'changed' })
      return first
    }
    assert.equal(await pipeline(useCases, [twice]).price({ id: 7 }, context), '7 for changed')
    const refuse: Step = (use, name) => (name === 'price' ? () => Promise.reject(new Error('no')) : use)
    await assert.rejects(pipeline(useCases, [refuse]).price({ id: 7 }, context), { message: 'no' })
  })

  it('is composed once, and a step with nothing to do leaves the use case as it is', async () => {
    let composed = 0
    const nothing: Step = (use) => {
      composed += 1
      return use
    }
    const use = pipeline(useCases, [nothing])
    for (let call = 0; call < 3; call++) await use.price({ id: call }, context)
    assert.equal(composed, 2)
    assert.equal(use.price, useCases.price)
  })
})
