import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type IssuerMode, startIssuer } from '@shop/testing/auth/issuer.ts'
import { openWith, outcomeOf } from '../../support/tokens.ts'

const unavailable = 'unavailable: tokens cannot be checked now, try again later'
const failing = 'the keys of the token issuer cannot be reloaded'

describe('an issuer that responds wrongly', { concurrency: true }, () => {
  const modes: readonly (readonly [IssuerMode, RegExp])[] = [
    ['hanging', /no answer within 1000 ms/],
    ['hanging body', /no answer within 1000 ms/],
    ['failing', /status 500/],
    ['large', /larger than 1048576 bytes/],
    ['redirecting', /status 302, and redirects are not followed/],
    ['broken', /the key set is not JSON/],
  ]
  for (const [mode, cause] of modes)
    it(`is ${mode}: no token waits for it for long, and known keys stay`, async () => {
      await using issuer = await startIssuer()
      const token = await issuer.sign()
      issuer.state.mode = mode
      const started = performance.now()
      const tokens = openWith(issuer)
      assert.equal(await outcomeOf(tokens, token), unavailable)
      // One second, and as much again if the process is stalled.
      assert.ok(performance.now() - started < 2_500)
      assert.match(String(tokens.lines[0]?.cause), cause)

      issuer.state.mode = 'normal'
      tokens.clocks.step(500)
      assert.equal(await outcomeOf(tokens, token), 'ok')
      issuer.state.mode = mode
      tokens.clocks.step(600_000)
      await tokens.reload()
      assert.equal(await tokens.problem(), failing)
      assert.equal(await outcomeOf(tokens, token), 'ok')
      assert.equal(tokens.lines.length, 3)
    })

  it('makes no token wait whose key is known', async () => {
    await using issuer = await startIssuer()
    const tokens = openWith(issuer)
    const token = await issuer.sign()
    assert.equal(await outcomeOf(tokens, token), 'ok')
    issuer.state.mode = 'hanging'
    tokens.clocks.step(600_000)
    const reloading = tokens.reload()
    await eventually(1_000, async () => assert.equal(issuer.state.fetches.keys, 2))
    assert.equal(await Promise.race([outcomeOf(tokens, token), reloading]), 'ok')
    await reloading
  })
})

it('keys over http are refused unless allowed, and nothing is sent', async () => {
  await using issuer = await startIssuer()
  const tokens = openWith(issuer, { allowHttp: false })
  assert.equal(await outcomeOf(tokens, await issuer.sign()), unavailable)
  assert.match(String(tokens.lines[0]?.cause), /is not an https URL/)
  assert.equal(issuer.state.fetches.keys, 0)
})
