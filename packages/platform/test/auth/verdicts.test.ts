import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { createVerdicts } from '../../src/auth/verdicts.ts'

type Unchecked<Result> = Readonly<{ check: () => Promise<Result> }>

/** The verdict that is remembered, or that of the check. */
const checkedVerdict = <Result extends string | number>(found: Result | Unchecked<Result>) =>
  typeof found === 'object' ? found.check() : found

/** Verdicts with a check that counts its calls, and waits for `release` if told to. */
const counted = (options: Readonly<{ max?: number; forMs?: number }> = {}) => {
  const { max = 3, forMs = 1_000 } = options
  let time = 0
  let calls = 0
  let gate: Promise<void> | undefined
  let isAway = false
  const revoked = new Set<string>()
  const verdicts = createVerdicts(
    async (credentials) => {
      calls += 1
      const number = calls
      await gate
      if (credentials.startsWith('bad') || revoked.has(credentials))
        throw unauthenticated(`refused ${number}`)
      if (isAway) throw new Error('away')
      return { result: `${credentials} ${number}`, forMs }
    },
    { max, monotonic: () => time },
  )
  return {
    ...verdicts,
    of: (credentials: string) => checkedVerdict(verdicts.of(credentials)),
    calls: () => calls,
    revoke: (credentials: string) => void revoked.add(credentials),
    setAway: (away: boolean) => {
      isAway = away
    },
    wasValid: (credentials: string) => {
      const found = verdicts.of(credentials)
      return typeof found === 'object' && found.wasValid
    },
    step: (ms: number) => {
      time += ms
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
  }
}

describe('verdicts', () => {
  it('are remembered for as long as they hold', async () => {
    const verdicts = counted()
    assert.equal(await verdicts.of('a'), 'a 1')
    verdicts.step(999)
    assert.equal(verdicts.of('a'), 'a 1')
    verdicts.step(1)
    assert.equal(await verdicts.of('a'), 'a 2')
  })

  it('are not remembered if they do not hold any longer', async () => {
    const verdicts = counted({ forMs: 0 })
    await verdicts.of('a')
    assert.equal(await verdicts.of('a'), 'a 2')
  })

  it('are shared by those who ask during the check, refusals too', async () => {
    const verdicts = counted()
    assert.deepEqual(await Promise.all([verdicts.of('a'), verdicts.of('a'), verdicts.of('b')]), [
      'a 1',
      'a 1',
      'b 2',
    ])
    const refused = await Promise.allSettled([verdicts.of('bad'), verdicts.of('bad')])
    assert.deepEqual(
      refused.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(verdicts.calls(), 3)
  })

  it('that refuse are not remembered', async () => {
    const verdicts = counted()
    await assert.rejects(async () => verdicts.of('bad'), { message: 'refused 1' })
    await assert.rejects(async () => verdicts.of('bad'), { message: 'refused 2' })
  })

  it('are bounded: the oldest are forgotten', async () => {
    const verdicts = counted()
    for (const name of ['a', 'b', 'c', 'd']) await verdicts.of(name)
    assert.equal(verdicts.of('b'), 'b 2')
    assert.equal(verdicts.of('d'), 'd 4')
    assert.ok(verdicts.of('a') instanceof Promise)
  })

  it('can be forgotten, also those of checks that are running', async () => {
    const verdicts = counted()
    await verdicts.of('a')
    const release = verdicts.hold()
    const running = verdicts.of('b')
    verdicts.forget()
    const later = verdicts.of('b')
    release()
    assert.deepEqual([await running, await later], ['b 2', 'b 3'])
    assert.equal(verdicts.of('b'), 'b 3')
    assert.equal(await verdicts.of('a'), 'a 4')
  })

  it('leave behind that the credentials were valid, until a check refuses them or there are too many', async () => {
    const verdicts = counted()
    assert.equal(verdicts.wasValid('a'), false)
    await assert.rejects(async () => verdicts.of('bad'))
    assert.equal(verdicts.wasValid('bad'), false)
    await verdicts.of('a')
    verdicts.step(1_000)
    assert.equal(verdicts.wasValid('a'), true)
    verdicts.forget()
    assert.equal(verdicts.wasValid('a'), true)
    verdicts.setAway(true)
    await assert.rejects(async () => verdicts.of('a'), { message: 'away' })
    verdicts.setAway(false)
    assert.equal(verdicts.wasValid('a'), true)
    verdicts.revoke('a')
    await assert.rejects(async () => verdicts.of('a'))
    assert.equal(verdicts.wasValid('a'), false)
    for (const name of ['b', 'c', 'd', 'e']) await verdicts.of(name)
    verdicts.step(1_000)
    assert.deepEqual(['b', 'c', 'd', 'e'].map(verdicts.wasValid), [false, true, true, true])
  })

  it('may be forgotten by the check itself', async () => {
    let calls = 0
    const verdicts = createVerdicts(
      async () => {
        calls += 1
        verdicts.forget()
        return { result: calls, forMs: 1_000 }
      },
      { max: 3, monotonic: () => 0 },
    )
    assert.deepEqual([await checkedVerdict(verdicts.of('a')), await checkedVerdict(verdicts.of('a'))], [1, 2])
  })
})
