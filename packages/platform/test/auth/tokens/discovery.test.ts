import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startIssuer } from '@shop/testing/auth/issuer.ts'
import { openWith, outcomeOf } from '../../support/tokens.ts'

const keys = { kind: 'issuer' } as const

for (const path of ['', '/realms/shop', '/'])
  for (const document of ['oauth', 'openid'] as const)
    it(`the keys of an issuer with the path "${path}" are found by its ${document} metadata`, async () => {
      await using issuer = await startIssuer({ path })
      issuer.state.documents = [document]
      const tokens = openWith(issuer, { keys })
      assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
      assert.deepEqual(issuer.state.fetches, { keys: 1, metadata: document === 'oauth' ? 1 : 2 })
    })

it('metadata that names another issuer is not used', async () => {
  await using issuer = await startIssuer()
  issuer.state.identifier = `${issuer.url}/other`
  const tokens = openWith(issuer, { keys })
  assert.match(await outcomeOf(tokens, await issuer.sign()), /^unavailable: /)
  assert.match(String(tokens.lines[0]?.cause), /is the metadata of another issuer/)
  assert.equal(issuer.state.fetches.keys, 0)
})

it('an issuer without metadata is named in the log with both places', async () => {
  await using issuer = await startIssuer()
  issuer.state.documents = []
  const tokens = openWith(issuer, { keys })
  assert.match(await outcomeOf(tokens, await issuer.sign()), /^unavailable: /)
  assert.match(
    String(tokens.lines[0]?.cause),
    /oauth-authorization-server responds with status 404; .*openid-configuration responds with status 404/,
  )
})

it('metadata and keys have one second together', async () => {
  await using issuer = await startIssuer()
  issuer.state.mode = 'hanging'
  const started = performance.now()
  const tokens = openWith(issuer, { keys })
  assert.match(await outcomeOf(tokens, await issuer.sign()), /^unavailable: /)
  // One second, and as much again if the process is stalled.
  assert.ok(performance.now() - started < 2_500)
  assert.equal(issuer.state.fetches.metadata, 1)
})

it('an issuer that is down is asked once, not at both places', async () => {
  await using issuer = await startIssuer()
  const token = await issuer.sign()
  await issuer.stop()
  const tokens = openWith(issuer, { keys })
  assert.match(await outcomeOf(tokens, token), /^unavailable: /)
  assert.match(String(tokens.lines[0]?.cause), /fetch failed: connect ECONNREFUSED/)
})
