import assert from 'node:assert/strict'
import { it } from 'node:test'
import { inspect } from 'node:util'
import { startIssuer } from '@shop/testing/auth/issuer.ts'
import { createSigningKey } from '@shop/testing/auth/signing-key.ts'
import { openWith, verifyOutcome } from '../../support/tokens.ts'

/** All there is in a value: also what is not enumerable, and the causes of errors. */
const everythingIn = (value: unknown): string =>
  inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null })

it('no error and no log line has any part of a token, its claims or its header', async () => {
  await using issuer = await startIssuer()
  const tokens = openWith(issuer)
  const other = await createSigningKey({ kid: 'kid-of-mallory' })
  const marked = { sub: 'subject-of-mallory', jti: 'jti-of-mallory' }
  const header = { 'header-of-mallory': 'value-of-mallory' }
  const bad = await Promise.all([
    issuer.sign({ ...marked, exp: 1 }, header),
    issuer.sign({ ...marked, nbf: 9_999_999_999 }, header),
    issuer.sign({ ...marked, iss: 'iss-of-mallory' }, header),
    issuer.sign({ ...marked, aud: 'aud-of-mallory' }, header),
    issuer.sign({ ...marked, exp: 'exp-of-mallory' }, header),
    issuer.sign({ ...marked, sub: ['subject-of-mallory'] }, header),
    issuer.sign(marked, { ...header, typ: 'typ-of-mallory' }),
    other.sign(marked, header),
    other.sign(marked, { ...header, kid: 'key-1' }),
    (await createSigningKey({ alg: 'ES384' })).sign(marked, header),
  ])
  bad.push(`${Buffer.from('{"alg":"ES256","crit":["crit-of-mallory"]}').toString('base64url')}.e30.e30`)
  bad.push('not-a-token-of-mallory', 'mallory.mallory.mallory')
  for (const token of bad) {
    const error = await verifyOutcome(tokens.verify, token)
    assert.ok(error instanceof Error)
    assert.equal(error.cause, undefined)
    const shown = everythingIn(error)
    assert.doesNotMatch(shown, /mallory/)
    for (const part of token.split('.')) assert.ok(part.length < 8 || !shown.includes(part), shown)
  }
  await issuer.stop()
  tokens.clocks.step(600_000)
  await tokens.reload()
  await verifyOutcome(tokens.verify, bad[7] ?? '')
  assert.ok(tokens.lines.length >= 2)
  assert.doesNotMatch(everythingIn(tokens.lines), /mallory|key-1/)
})
