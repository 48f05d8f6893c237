import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startIssuer } from '@shop/testing/auth/issuer.ts'
import { createSigningKey } from '@shop/testing/auth/signing-key.ts'
import { requestContext } from '../../../src/request-context.ts'
import { openWith, outcomeOf } from '../../support/tokens.ts'

const unknownKey =
  'unauthenticated: the token is signed with a key that is not known; a new key of its issuer takes up to 30 seconds'

describe('a token with an unknown kid', () => {
  it('reloads the keys once, if a thousand come during the first load', async () => {
    await using issuer = await startIssuer()
    const other = await createSigningKey({ kid: 'unknown' })
    const forged = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => other.sign({}, { kid: `unknown-${index}` })),
    )
    const tokens = openWith(issuer)
    const outcomes = await Promise.all(forged.map((token) => outcomeOf(tokens, token)))
    assert.deepEqual([...new Set(outcomes)], [unknownKey])
    assert.equal(issuer.state.fetches.keys, 2)
    for (const token of forged.slice(0, 100)) assert.equal(await outcomeOf(tokens, token), unknownKey)
    assert.equal(issuer.state.fetches.keys, 2)
  })

  it('reloads the keys again after 30 s, and not before', async () => {
    await using issuer = await startIssuer()
    const tokens = openWith(issuer)
    const forged = await (await createSigningKey({ kid: 'unknown' })).sign({})
    for (const [stepMs, fetches] of [
      [0, 2],
      [29_999, 2],
      [1, 3],
      [0, 3],
    ] as const) {
      tokens.clocks.step(stepMs)
      assert.equal(await outcomeOf(tokens, forged), unknownKey)
      assert.equal(issuer.state.fetches.keys, fetches)
    }
  })

  it('reloads them outside of its request', async () => {
    await using issuer = await startIssuer()
    const requests: unknown[] = []
    const onReload = (outcome: string) => requests.push([outcome, requestContext.getStore()])
    const tokens = openWith(issuer, {}, onReload)
    const forged = await (await createSigningKey({ kid: 'unknown' })).sign({})
    await requestContext.run({ requestId: 'r1' }, () => outcomeOf(tokens, forged))
    assert.deepEqual(requests, [
      ['ok', undefined],
      ['ok', undefined],
    ])
  })

  it('does not reload them if its algorithm is not allowed', async () => {
    await using issuer = await startIssuer()
    const tokens = openWith(issuer)
    const forged = await (await createSigningKey({ alg: 'ES384', kid: 'unknown' })).sign({})
    assert.match(await outcomeOf(tokens, forged), /^unauthenticated: the token must be signed with/)
    assert.equal(issuer.state.fetches.keys, 1)
  })
})

describe('an issuer that rotates its keys', () => {
  it('has its new tokens accepted at once, and its old ones refused', async () => {
    await using issuer = await startIssuer()
    const tokens = openWith(issuer)
    const old = await issuer.sign()
    assert.equal(await outcomeOf(tokens, old), 'ok')
    assert.ok(!(tokens.verify(old) instanceof Promise))
    await issuer.rotate()
    assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
    assert.equal(await outcomeOf(tokens, old), unknownKey)
    assert.equal(issuer.state.fetches.keys, 2)
  })

  it('may not name its keys', async () => {
    await using issuer = await startIssuer()
    issuer.state.keys = [await createSigningKey()]
    const tokens = openWith(issuer)
    assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
    issuer.state.keys = [await createSigningKey()]
    assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
  })

  it('has a revoked key refused when the job has reloaded the keys', async () => {
    await using issuer = await startIssuer()
    const tokens = openWith(issuer)
    const old = await issuer.sign()
    assert.equal(await outcomeOf(tokens, old), 'ok')
    await issuer.rotate()
    tokens.clocks.step(599_999)
    await tokens.reload()
    assert.equal(await outcomeOf(tokens, old), 'ok')
    tokens.clocks.step(1)
    await tokens.reload()
    assert.equal(await outcomeOf(tokens, old), unknownKey)
  })
})

describe('a key set', () => {
  for (const alg of ['ES256', 'EdDSA', 'PS256', 'RS256'])
    it(`may have keys for ${alg}`, async () => {
      await using issuer = await startIssuer()
      issuer.state.keys = [await createSigningKey({ alg, kid: 'a' })]
      assert.equal(await outcomeOf(openWith(issuer), await issuer.sign()), 'ok')
    })

  it('may have keys of one algorithm without kid: each is tried, up to eight', async () => {
    await using issuer = await startIssuer()
    const keys = await Promise.all(Array.from({ length: 9 }, () => createSigningKey()))
    issuer.state.keys = keys
    const tokens = openWith(issuer)
    const claims = {
      iss: issuer.url,
      aud: issuer.audience,
      sub: 'u',
      exp: Math.floor(Date.now() / 1_000) + 60,
    }
    const signed = await Promise.all(keys.map(({ sign }) => sign(claims)))
    const outcomes = []
    for (const token of signed) outcomes.push(await outcomeOf(tokens, token))
    assert.deepEqual(outcomes, [...Array.from({ length: 8 }, () => 'ok'), unknownKey])
  })

  it('may have keys for other purposes, which verify nothing', async () => {
    await using issuer = await startIssuer()
    const [usable, encryption, short] = await Promise.all([
      createSigningKey({ kid: 'usable' }),
      createSigningKey({ kid: 'encryption' }),
      createSigningKey({ alg: 'ES512', kid: 'long' }),
    ])
    issuer.state.keys = [{ ...encryption, jwk: { ...encryption.jwk, use: 'enc' } }, short, usable]
    const tokens = openWith(issuer)
    assert.equal(await outcomeOf(tokens, await issuer.sign()), 'ok')
    assert.equal(tokens.lines[0]?.keys, 1)
    assert.equal(await outcomeOf(tokens, await encryption.sign({})), unknownKey)
  })

  for (const [name, jwk] of [
    ['no key', undefined],
    ['only secrets', { kty: 'oct', k: 'c2VjcmV0', kid: 'key-1' }],
    ['only broken keys', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'key-1' }],
    ['only what is no key', 7],
  ] as const)
    it(`with ${name} is broken, and leaves the keys of before`, async () => {
      await using issuer = await startIssuer()
      const tokens = openWith(issuer)
      const token = await issuer.sign()
      assert.equal(await outcomeOf(tokens, token), 'ok')
      issuer.state.keys = jwk === undefined ? [] : [{ ...(await createSigningKey()), jwk: jwk as object }]
      tokens.clocks.step(600_000)
      await tokens.reload()
      assert.equal(await outcomeOf(tokens, token), 'ok')
      assert.match(
        String(tokens.lines.at(-1)?.cause),
        /the key set has no public key for ES256, EdDSA, PS256, RS256/,
      )
    })
})
