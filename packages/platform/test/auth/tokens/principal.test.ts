import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Issuer, startIssuer } from '@shop/testing/auth/issuer.ts'
import { openWith } from '../../support/tokens.ts'

let issuer: Issuer
let tokens: ReturnType<typeof openWith>

before(async () => {
  issuer = await startIssuer()
  tokens = openWith(issuer)
})
after(() => issuer.stop())

describe('the user of a token', () => {
  it('has its subject as it is', async () => {
    const principal = await tokens.verify(await issuer.sign({ sub: 'auth0|Ünï 1' }))
    assert.deepEqual(principal, { kind: 'user', subject: 'auth0|Ünï 1', scopes: new Set() })
  })

  for (const [claims, scopes] of [
    [{}, []],
    [{ scope: 'products:write baskets:any' }, ['products:write', 'baskets:any']],
    [{ scope: ' a  b ' }, ['a', 'b']],
    [{ scope: '' }, []],
    [{ scp: 'a b' }, ['a', 'b']],
    [{ scp: ['a', 'b c', '', 7, null] }, ['a', 'b c']],
    [{ scope: 'a', scp: ['b'] }, ['a']],
    [{ scope: ['a'] }, []],
    [{ scp: { a: 'a' } }, []],
    [{ scopes: 'a', roles: ['a'], permissions: ['a'], realm_access: { roles: ['a'] } }, []],
  ] as const)
    it(`has the scopes ${JSON.stringify(scopes)} by ${JSON.stringify(claims)}`, async () => {
      const principal = await tokens.verify(await issuer.sign({ ...claims, sub: 'u' }))
      assert.deepEqual(principal, { kind: 'user', subject: 'u', scopes: new Set(scopes) })
    })
})

describe('a verdict', () => {
  it('is remembered for a minute', async () => {
    const token = await issuer.sign({ jti: 'a minute' })
    const principal = await tokens.verify(token)
    tokens.clocks.step(59_999)
    assert.equal(tokens.verify(token), principal)
    tokens.clocks.step(1)
    assert.ok(tokens.verify(token) instanceof Promise)
  })

  it('is not remembered longer than the token is valid', async () => {
    const now = Math.floor(tokens.clocks.now().getTime() / 1_000)
    const token = await issuer.sign({ exp: now + 10 })
    await tokens.verify(token)
    tokens.clocks.step(8_999)
    assert.ok(!(tokens.verify(token) instanceof Promise))
    tokens.clocks.step(1_001)
    assert.ok(tokens.verify(token) instanceof Promise)
  })

  it('is about the whole token: another signature is another token', async () => {
    const token = await issuer.sign({ jti: 'whole' })
    await tokens.verify(token)
    const forged = `${token.slice(0, -10)}AAAAAAAAAA`
    await assert.rejects(async () => tokens.verify(forged), {
      message: 'the signature of the token is not valid',
    })
  })
})
