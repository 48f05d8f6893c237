import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Issuer, startIssuer } from '@shop/testing/auth/issuer.ts'
import { createSigningKey } from '@shop/testing/auth/signing-key.ts'
import { base64url, exportSPKI, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { openWith, outcomeOf } from '../../support/tokens.ts'

const algorithm = 'the token must be signed with one of ES256, EdDSA, PS256, RS256'
const signature = 'the signature of the token is not valid'
const malformed = 'the token is not a signed JWT'
const noExpiry = 'the token must have an expiry time (exp)'
const wrongSubject = 'sub of the token must be text of 1 to 255 characters'

let issuer: Issuer
let tokens: ReturnType<typeof openWith>
/** Seconds since the epoch, by the clock of the verification, which stands still. */
let now: number

before(async () => {
  issuer = await startIssuer()
  tokens = openWith(issuer)
  now = Math.floor(tokens.clocks.now().getTime() / 1_000)
})
after(() => issuer.stop())

const claims = () => ({ iss: issuer.url, aud: issuer.audience, sub: 'user123', exp: now + 3_600 })

const signedByAnother = async (header: Readonly<Record<string, unknown>> = {}) => {
  const other = await createSigningKey({ kid: 'key-1' })
  return other.sign(claims(), header)
}

/** HS256 with the public key as the secret: what a verifier accepts that lets the token choose the algorithm. */
const signedWithPublicKey = async (secretOf: (jwk: object) => Promise<string>) => {
  const secret = new TextEncoder().encode(await secretOf(issuer.state.keys[0]?.jwk ?? {}))
  return new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'key-1' }).sign(secret)
}

const embedded = async () => {
  const own = await createSigningKey()
  return own.sign(claims(), { jwk: own.jwk, kid: 'key-1' })
}

/** The token with another header or payload, and the signature of before. */
const withPart = async (index: 0 | 1, part: unknown) => {
  const parts = (await issuer.sign()).split('.')
  parts[index] = base64url.encode(typeof part === 'string' ? part : JSON.stringify(part))
  return parts.join('.')
}

const withoutSignature = async () => (await issuer.sign()).replace(/[^.]*$/, '')

type Case = readonly [name: string, token: () => string | Promise<string>, message: string]

const cases: readonly Case[] = [
  ['is empty', () => '', malformed],
  ['is not a JWT', () => 'abc', malformed],
  ['has two parts', async () => (await issuer.sign()).replace(/\.[^.]*$/, ''), malformed],
  ['has four parts', async () => `${await issuer.sign()}.abc`, malformed],
  ['has no base64url', () => '€.€.€', malformed],
  ['has a header that is not JSON', () => withPart(0, '{'), malformed],
  ['has a list as header', () => withPart(0, []), malformed],
  ['is not signed (alg none)', () => new UnsecuredJWT(claims()).encode(), algorithm],
  ['says that it is not signed', () => withPart(0, { alg: 'none', typ: 'at+jwt' }), algorithm],
  ['has no algorithm', () => withPart(0, { typ: 'at+jwt' }), malformed],
  [
    'is signed with the public PEM as secret',
    () => signedWithPublicKey(async (jwk) => exportSPKI((await importJWK(jwk, 'ES256')) as CryptoKey)),
    algorithm,
  ],
  [
    'is signed with the public JWK as secret',
    () => signedWithPublicKey(async (jwk) => JSON.stringify(jwk)),
    algorithm,
  ],
  [
    'is signed with ES384',
    async () => (await createSigningKey({ alg: 'ES384', kid: 'key-1' })).sign(claims()),
    algorithm,
  ],
  ['has the right kid and another key', () => signedByAnother(), signature],
  ['has an empty signature', withoutSignature, signature],
  ['has another payload than was signed', () => withPart(1, claims()), signature],
  ['brings its own key', embedded, signature],
  [
    'names a URL of its own for keys',
    () => signedByAnother({ jku: `${issuer.url}/keys-elsewhere` }),
    signature,
  ],
  [
    'names a URL of its own for certificates',
    () => signedByAnother({ x5u: `${issuer.url}/keys-elsewhere` }),
    signature,
  ],
  [
    'needs an extension',
    () => withPart(0, { alg: 'ES256', kid: 'key-1', crit: ['shop'], shop: 1 }),
    'the token needs an extension that is not supported',
  ],
  [
    'has a payload without base64url',
    () => withPart(0, { alg: 'ES256', kid: 'key-1', crit: ['b64'], b64: false }),
    signature,
  ],
  ['has an empty crit', () => withPart(0, { alg: 'ES256', kid: 'key-1', crit: [] }), malformed],
  ['has no exp', () => issuer.sign({ exp: undefined }), noExpiry],
  ['has text as exp', () => issuer.sign({ exp: '9999999999' }), noExpiry],
  ['expired 31 s ago', () => issuer.sign({ exp: now - 31 }), 'the token has expired'],
  ['begins in 31 s', () => issuer.sign({ nbf: now + 31 }), 'the token is not valid yet (nbf)'],
  [
    'is from another issuer',
    () => issuer.sign({ iss: `${issuer.url}/` }),
    'the token is from another issuer',
  ],
  ['has no issuer', () => issuer.sign({ iss: undefined }), 'the token is from another issuer'],
  ['has a list of issuers', () => issuer.sign({ iss: [issuer.url] }), 'the token is from another issuer'],
  ['is for another audience', () => issuer.sign({ aud: 'shop2' }), 'the token is for another audience'],
  ['is for other audiences', () => issuer.sign({ aud: ['a', 'SHOP'] }), 'the token is for another audience'],
  ['has no audience', () => issuer.sign({ aud: undefined }), 'the token is for another audience'],
  [
    'is an ID token',
    () => issuer.sign({}, { typ: 'JWT' }),
    'the token has another type (typ) than access tokens have',
  ],
  [
    'has no type',
    () => issuer.sign({}, { typ: undefined }),
    'the token has another type (typ) than access tokens have',
  ],
  ['has no sub', () => issuer.sign({ sub: undefined }), 'the token must have a subject (sub)'],
  ['has an empty sub', () => issuer.sign({ sub: '' }), wrongSubject],
  ['has a number as sub', () => issuer.sign({ sub: 7 }), wrongSubject],
  ['has a sub of 256 characters', () => issuer.sign({ sub: 'u'.repeat(256) }), wrongSubject],
]

describe('a token is refused if it', () => {
  for (const [name, token, message] of cases)
    it(name, async () => {
      assert.equal(await outcomeOf(tokens, await token()), `unauthenticated: ${message}`)
    })
})

describe('a token is accepted if it', () => {
  const accepted: readonly (readonly [name: string, token: () => Promise<string>])[] = [
    ['expired 29 s ago', () => issuer.sign({ exp: now - 29 })],
    ['begins in 29 s', () => issuer.sign({ nbf: now + 29 })],
    ['has the audience among others', () => issuer.sign({ aud: ['other', issuer.audience] })],
    ['has a sub of 255 characters', () => issuer.sign({ sub: 'u'.repeat(255) })],
    ['has the type as media type', () => issuer.sign({}, { typ: 'application/at+jwt' })],
    ['does not name the key', () => issuer.sign({}, { kid: undefined })],
    ['has 8 KB', () => issuer.sign({ padding: 'x'.repeat(5_800) })],
  ]
  for (const [name, token] of accepted)
    it(name, async () => assert.equal(await outcomeOf(tokens, await token()), 'ok'))
})

it('an ID token is accepted if types are not checked', async () => {
  const unchecked = openWith(issuer, { typ: 'any' })
  assert.equal(await outcomeOf(unchecked, await issuer.sign({}, { typ: 'JWT' })), 'ok')
  assert.equal(await outcomeOf(unchecked, await issuer.sign({}, { typ: undefined })), 'ok')
})

it('no change of a token makes anything but a refusal', async () => {
  const token = await issuer.sign()
  for (let index = 0; index < token.length - 1; index += 3) {
    const changed = `${token.slice(0, index)}${token[index] === 'A' ? '~' : 'A'}${token.slice(index + 1)}`
    assert.match(await outcomeOf(tokens, changed), /^unauthenticated: /, `character ${index}`)
  }
})
