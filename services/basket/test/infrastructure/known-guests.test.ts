import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemContext } from '@shop/kernel/context.ts'
import { createKnownGuests } from '../../src/infrastructure/known-guests.ts'

const minute = 60_000
const context = systemContext('test')

const open = () => {
  const clock = { time: 0 }
  const guests = createKnownGuests({ now: () => clock.time })
  const use = guests.remembering(async ({ exists = true }: { userId: string; exists?: boolean }) => {
    if (!exists) throw new Error('basket not found')
    return 'basket'
  }, 'getBasket')
  return { clock, ...guests, use }
}

describe('the guests that are known', () => {
  it('are those whose use cases succeed', async () => {
    const { isKnown, use } = open()
    assert.equal(await use({ userId: 'guest:a' }, context), 'basket')
    await assert.rejects(use({ userId: 'guest:b', exists: false }, context), /basket not found/)
    await use({ userId: 'ann' }, context)
    assert.deepEqual(['guest:a', 'guest:b', 'ann'].map(isKnown), [true, false, false])
  })

  it('are forgotten five to ten minutes after their last request', async () => {
    const { clock, isKnown, use } = open()
    await use({ userId: 'guest:a' }, context)
    clock.time = 4 * minute
    await use({ userId: 'guest:b' }, context)
    clock.time = 6 * minute
    assert.deepEqual(['guest:a', 'guest:b'].map(isKnown), [true, true])
    await use({ userId: 'guest:b' }, context)
    clock.time = 12 * minute
    assert.deepEqual(['guest:a', 'guest:b'].map(isKnown), [false, true])
    clock.time = 60 * minute
    assert.equal(isKnown('guest:b'), false)
  })

  it('are at most 20,000', async () => {
    const { isKnown, use } = open()
    for (let index = 0; index < 30_000; index++) await use({ userId: `guest:${index}` }, context)
    const known = Array.from({ length: 30_000 }, (_, index) => `guest:${index}`).filter(isKnown)
    assert.ok(known.length > 0 && known.length <= 20_000)
    assert.ok(isKnown('guest:29999'))
  })
})
