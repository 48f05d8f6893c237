import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Context } from '@shop/kernel/context.ts'
import { costOfMany, single } from '@shop/kernel/cost.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import { limited } from '../../../src/limits/rates/limited.ts'

const step = limited({ list: ({ limit }: { limit: number }) => costOfMany(limit), get: single })
const refusal = new AppError('rate_limited', 'too much')

type Take = NonNullable<Context['allowance']>['take']

const call = async (limit: number, take?: Take) => {
  const taken: number[] = []
  const allowance = take && {
    take: (points: number) => {
      taken.push(points)
      return take(points)
    },
  }
  let calls = 0
  const use = step(async ({ limit: asked }: { limit: number }) => {
    calls += 1
    return asked
  }, 'list')
  const context = { requestId: 'r', principal: anonymous, ...(allowance && { allowance }) }
  const error: unknown = await use({ limit }, context).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { taken, calls, error }
}

describe('a use case with a cost', () => {
  it('takes what it costs beyond one point, before it runs', async () => {
    for (const [limit, more] of [
      [1, []],
      [99, []],
      [100, [1]],
      [1_000, [10]],
    ] as const)
      assert.deepEqual(await call(limit, () => undefined), { taken: more, calls: 1, error: undefined })
    assert.deepEqual((await call(1_000, async () => undefined)).calls, 1)
  })

  it('does not run if its caller has not that many', async () => {
    for (const take of [() => refusal, async () => refusal])
      assert.deepEqual(await call(1_000, take), { taken: [10], calls: 0, error: refusal })
  })

  it('runs for callers who are not limited, such as jobs', async () => {
    assert.deepEqual(await call(1_000), { taken: [], calls: 1, error: undefined })
  })

  it('is returned unchanged if it always costs one, and must have a cost', () => {
    const use = async () => 1
    assert.equal(step(use, 'get'), use)
    assert.throws(() => step(use, 'other'), /the use case other has no cost/)
  })
})
