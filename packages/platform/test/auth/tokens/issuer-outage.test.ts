import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type Issuer, startIssuer } from '@shop/testing/auth/issuer.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { openTokens } from '../../../src/auth/tokens/open-tokens.ts'
import { createMetrics } from '../../../src/metrics/metrics.ts'
import { startJobs } from '../../../src/process/jobs.ts'
import { configOf, openWith, outcomeOf } from '../../support/tokens.ts'

const unavailable = 'unavailable: tokens cannot be checked now, try again later'
const unknown = 'no key of the token issuer is known'
const failing = 'the keys of the token issuer cannot be reloaded'
const hourMs = 3_600_000

/** A token that is still valid in two days. */
const lasting = (issuer: Issuer) => issuer.sign({ exp: Math.floor(Date.now() / 1_000) + 172_800 })

describe('an issuer that is down at the start', () => {
  it('makes tokens unavailable, until it is up', async () => {
    await using issuer = await startIssuer()
    const token = await issuer.sign()
    await issuer.stop()
    const tokens = openWith(issuer)
    assert.equal(await outcomeOf(tokens, token), unavailable)
    assert.equal(await tokens.problem(), unknown)
    await issuer.start()
    tokens.clocks.step(499)
    assert.equal(await outcomeOf(tokens, token), unavailable)
    assert.equal(issuer.state.fetches.keys, 0)
    tokens.clocks.step(1)
    assert.equal(await outcomeOf(tokens, token), 'ok')
    assert.equal(await tokens.problem(), undefined)
    assert.deepEqual(tokens.messages(), [
      'the keys of the token issuer cannot be loaded',
      'keys of the token issuer loaded',
    ])
  })

  it('is asked by the job every 500 ms', async () => {
    await using issuer = await startIssuer()
    issuer.state.mode = 'failing'
    const tokens = openWith(issuer)
    await tokens.reload()
    assert.equal(tokens.pauseMs(), 500)
    await tokens.reload()
    assert.equal(issuer.state.fetches.keys, 1)
    issuer.state.mode = 'normal'
    tokens.clocks.step(500)
    await tokens.reload()
    assert.equal(issuer.state.fetches.keys, 2)
    assert.equal(tokens.pauseMs(), 600_000)
  })

  it('is noticed within a second after it is up, without any token', async () => {
    await using issuer = await startIssuer()
    await issuer.stop()
    const tokens = openTokens({ ...configOf(issuer), keys: { kind: 'issuer' } }, { logger: silentLogger })
    await using _ = startJobs(tokens.jobs, { logger: silentLogger, metrics: createMetrics('test', '0') })
    const probe = () => tokens.dependencies[0]?.probe(new AbortController().signal)
    await delay(100)
    await assert.rejects(async () => probe(), { message: unknown })
    await issuer.start()
    const up = performance.now()
    await eventually(3_000, async () => probe())
    assert.ok(performance.now() - up < 1_000)
  })

  it('is asked once, however many tokens wait', async () => {
    await using issuer = await startIssuer()
    issuer.state.mode = 'failing'
    const tokens = openWith(issuer)
    const all = await Promise.all(
      Array.from({ length: 100 }, async (_, index) =>
        outcomeOf(tokens, await issuer.sign({ jti: `${index}` })),
      ),
    )
    assert.deepEqual([...new Set(all)], [unavailable])
    assert.equal(issuer.state.fetches.keys, 1)
  })
})

describe('an issuer that goes away', () => {
  it('leaves its keys for a day', async () => {
    await using issuer = await startIssuer()
    const token = await lasting(issuer)
    const tokens = openWith(issuer)
    assert.equal(await outcomeOf(tokens, token), 'ok')
    await issuer.stop()
    for (const hours of [2, 21]) {
      tokens.clocks.step(hours * hourMs)
      await tokens.reload()
      assert.equal(await outcomeOf(tokens, token), 'ok')
      assert.equal(await tokens.problem(), failing)
      assert.equal(tokens.pauseMs(), 30_000)
    }
    tokens.clocks.step(hourMs - 1_000)
    assert.equal(await outcomeOf(tokens, token), 'ok')
    assert.ok(tokens.verify(token) instanceof Object)
    tokens.clocks.step(1_000)
    assert.equal(await outcomeOf(tokens, token), unavailable)
    assert.equal(await tokens.problem(), unknown)
    await issuer.start()
    tokens.clocks.step(500)
    assert.equal(await outcomeOf(tokens, token), 'ok')
    assert.deepEqual(tokens.messages(), [
      'keys of the token issuer loaded',
      // Logged once for the two hours, the day, and what came after.
      'the keys of the token issuer cannot be loaded',
      'the keys of the token issuer are too old to be used',
      'keys of the token issuer loaded',
    ])
  })

  it('is not noticed if it was back before the keys were reloaded', async () => {
    await using issuer = await startIssuer()
    const tokens = openWith(issuer)
    assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
    await issuer.stop()
    await issuer.start()
    tokens.clocks.step(600_000)
    await tokens.reload()
    assert.equal(await tokens.problem(), undefined)
    assert.equal(issuer.state.fetches.keys, 2)
  })

  it('cannot say whether a new key is its own', async () => {
    await using issuer = await startIssuer()
    const tokens = openWith(issuer)
    const old = await issuer.sign()
    assert.equal(await outcomeOf(tokens, old), 'ok')
    await issuer.rotate()
    const token = await issuer.sign()
    await issuer.stop()
    assert.match(await outcomeOf(tokens, token), /^unavailable: /)
    assert.equal(await outcomeOf(tokens, old), 'ok')
    await issuer.start()
    tokens.clocks.step(30_000)
    assert.equal(await outcomeOf(tokens, token), 'ok')
  })
})
