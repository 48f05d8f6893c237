import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { forger } from '@shop/testing/auth/forged-tokens.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { doorsOf, sendRaw } from './support/doors.ts'
import { calls, openGrpc } from './support/grpc.ts'
import { openShop, type Shop } from './support/shop.ts'

type Forger = Awaited<ReturnType<typeof forger>>
type Sources = Readonly<{ shop: Shop; forge: Forger }>
type Authorization = (sources: Sources) => string | undefined | Promise<string>

const bearer =
  (token: (sources: Sources) => string | Promise<string>): Authorization =>
  async (sources) =>
    `Bearer ${await token(sources)}`

const signed = (claims: (now: number) => Readonly<Record<string, unknown>>, header = {}) =>
  bearer(({ shop, forge }) => shop.issuer.sign(claims(forge.now()), header))

/** The credentials, and what each door says to them. The basket of a user needs some, products do not. */
const rows: readonly (readonly [name: string, authorization: Authorization, expected: RegExp])[] = [
  ['of the user', signed(() => ({})), /^ok$/],
  ['in lower case', async ({ shop }) => `bearer ${await shop.issuer.sign()}`, /^ok$/],
  ['with several spaces', async ({ shop }) => `BeArEr    ${await shop.issuer.sign()}`, /^ok$/],
  ['for several audiences', signed(() => ({ aud: ['other', 'shop'] })), /^ok$/],
  ['that expired 25 s ago', signed((now) => ({ exp: now - 25 })), /^ok$/],
  ['that begins in 29 s', signed((now) => ({ nbf: now + 29 })), /^ok$/],
  ['that expired 31 s ago', signed((now) => ({ exp: now - 31 })), /^unauthenticated: the token has expired$/],
  ['that begins in 40 s', signed((now) => ({ nbf: now + 40 })), /not valid yet/],
  ['without expiry', signed(() => ({ exp: undefined })), /must have an expiry time/],
  ['without subject', signed(() => ({ sub: undefined })), /must have a subject/],
  ['of another issuer', signed(() => ({ iss: 'https://issuer.example' })), /another issuer/],
  ['for another audience', signed(() => ({ aud: ['other'] })), /another audience/],
  ['that is an ID token', signed(() => ({}), { typ: 'JWT' }), /another type/],
  ['without signature', bearer(({ forge }) => forge.unsigned()), /must be signed with one of/],
  [
    'signed with the public key',
    bearer(({ forge }) => forge.signedWithPublicKey()),
    /must be signed with one of/,
  ],
  ['of another key of the same kid', bearer(({ forge }) => forge.ofAnotherKey()), /signature of the token/],
  ['of an unknown key', bearer(({ forge }) => forge.ofUnknownKey()), /signed with a key that is not known/],
  ['that brings its key', bearer(({ forge }) => forge.withItsKey()), /signature of the token/],
  [
    'with a critical extension',
    bearer(({ forge }) => forge.critical()),
    /an extension that is not supported/,
  ],
  ['with a deep header', bearer(({ forge }) => forge.deep()), /^unauthenticated: /],
  ['with changed claims', bearer(({ forge }) => forge.changed()), /signature of the token/],
  ['of 10 KB', signed(() => ({ padding: 'x'.repeat(7_500) })), /at most 8192/],
  ['after a tab', async ({ shop }) => `Bearer\t${await shop.issuer.sign()}`, /scheme Bearer/],
  ['with an accent', async ({ shop }) => `Bearer ${await shop.issuer.sign()}é`, /one token or API key/],
  ['that is empty', () => '', /scheme Bearer/],
  ['twice', async ({ shop }) => `Bearer ${await shop.issuer.sign()}, Bearer abc`, /one token or API key/],
  ['of another scheme', () => 'Basic dXNlcjEyMzpzZWNyZXQ=', /scheme Bearer/],
  ['of an API key', ({ shop }) => shop.office.authorization, /^ok$/],
  ['of a changed API key', ({ shop }) => shop.office.authorization.replace(/.$/, '~'), /the API key must be/],
  ['of an unknown API key', () => `Bearer shop_${'a'.repeat(43)}`, /the API key is not known/],
]

describe('credentials', { skip: withoutPostgres || withoutOwnRedis }, () => {
  const stack = new AsyncDisposableStack()
  let sources: Sources
  before(async () => {
    const shop = stack.use(await openShop())
    sources = { shop, forge: await forger(shop.issuer) }
  })
  after(() => stack.disposeAsync())

  for (const [name, authorization, expected] of rows)
    it(`${name} get the same answer at every door`, async () => {
      using doors = doorsOf(sources.shop)
      for (const { name: door, send } of doors)
        assert.match(await send(await authorization(sources)), expected, door)
    })

  it('of a thousand unknown keys make the issuer be asked once by each service', async () => {
    const { shop, forge } = sources
    const fetchedBefore = shop.issuer.state.fetches.keys
    using doors = doorsOf(shop)
    for (const { send } of doors)
      for (let round = 0; round < 20; round++)
        await Promise.all(
          Array.from({ length: 17 }, async () =>
            assert.match(await send(`Bearer ${await forge.ofUnknownKey()}`), /a key that is not known/),
          ),
        )
    assert.ok(shop.issuer.state.fetches.keys - fetchedBefore <= 2)
  })

  it('in the query, or in other headers and metadata, count for nothing', async () => {
    const { issuer, products, baskets } = sources.shop
    const token = await issuer.sign()
    const names = [
      'x-authorization',
      'proxy-authorization',
      'access_token',
      'cookie',
      'x-forwarded-user',
      'x-user-id',
    ]
    const headers = Object.fromEntries(names.map((name) => [name, `Bearer ${token}`]))
    for (const query of [`access_token=${token}`, `authorization=Bearer%20${token}`, `token=${token}`])
      for (const sent of [{}, headers]) {
        const { status } = await sendRaw(baskets.url, { path: `/baskets/user123?${query}`, headers: sent })
        assert.equal(status, 401)
      }
    const created = { method: 'POST', path: '/products', body: { name: 'Emma', price: 1, stock: 5 } }
    const writer = await issuer.sign({ scope: 'products:write' })
    for (const name of names)
      assert.equal(
        (await sendRaw(products.url, { ...created, headers: { [name]: `Bearer ${writer}` } })).status,
        401,
      )
    using grpc = openGrpc(sources.shop)
    const metadata = Object.fromEntries(names.map((name) => [name, `Bearer ${writer}`]))
    const binary = Buffer.from(`Bearer ${writer}`).toString('base64')
    assert.match(
      await grpc.send(calls.create, { ...metadata, 'authorization-bin': binary }),
      /^unauthenticated: this needs credentials with the scope products:write/,
    )
  })

  it('that are repeated are refused; a space behind them gives nobody rights', async () => {
    const { issuer, products, baskets } = sources.shop
    const [good, bad] = [`Bearer ${await issuer.sign()}`, 'Bearer abc']
    for (const [url, path] of [
      [products.url, '/products/1'],
      [baskets.url, '/baskets/user123'],
    ] as const)
      for (const authorization of [
        [good, bad],
        [bad, good],
        [good, good],
      ])
        assert.match(
          (await sendRaw(url, { path, headers: { authorization } })).body,
          /more than one Authorization/,
        )
    using grpc = openGrpc(sources.shop)
    // Over HTTP/1.1 the space does not belong to the value. Over HTTP/2 Node.js drops such a header: the caller is nobody.
    assert.match(await grpc.send(calls.create, { authorization: `${good} ` }), /^unauthenticated: this needs/)
    assert.equal(
      (await sendRaw(baskets.url, { path: '/baskets/user123', headers: { authorization: `${good}  ` } }))
        .status,
      404,
    )
  })
})
