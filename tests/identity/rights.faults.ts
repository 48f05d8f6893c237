import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sendRaw } from './support/doors.ts'
import { calls, openGrpc } from './support/grpc.ts'
import { openShop, type Shop } from './support/shop.ts'

/** Rights that are not `products:write`. */
const claimsWithoutRight: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { scope: 'products:read baskets:any' },
  { scope: 'PRODUCTS:WRITE products:write2 products: write' },
  { scope: 'products:write,baskets:any' },
  { scope: ['products:write'] },
  { scope: 'openid', scp: 'products:write' },
  { scopes: 'products:write', roles: ['products:write'], permissions: ['products:write'] },
  { scp: { 'products:write': true } },
  { sub: 'office', name: 'office' },
]

const body = { name: 'Persuasion', price: 2, stock: 9 }
const patch = { method: 'PATCH', path: '/products/1', body: { price: 3 } }
const writes = [
  patch,
  { method: 'POST', path: '/products', body },
  { method: 'PUT', path: '/products/1', body },
  { method: 'DELETE', path: '/products/1' },
]

describe('rights', { skip: withoutPostgres || withoutOwnRedis }, () => {
  const stack = new AsyncDisposableStack()
  let shop: Shop
  before(async () => {
    shop = stack.use(await openShop())
    const { products, office } = shop
    const headers = { authorization: office.authorization }
    const made = await sendRaw(products.url, {
      method: 'POST',
      path: '/products',
      headers,
      body: { name: 'Emma', price: 1, stock: 5 },
    })
    assert.equal(made.status, 201)
  })
  after(() => stack.disposeAsync())

  it('to write products are those of the scope alone, over HTTP and gRPC, and nothing is written without', async () => {
    const { issuer, products, schemaUrl } = shop
    const rows = () =>
      query("select md5(string_agg(products::text, '|' order by id)), count(*) from products", schemaUrl)
    const unwritten = await rows()
    using grpc = openGrpc(shop)
    const refused = async (authorization: string | undefined, status: number, kind: RegExp) => {
      const headers = authorization === undefined ? {} : { authorization }
      for (const write of writes)
        assert.equal((await sendRaw(products.url, { ...write, headers })).status, status)
      for (const call of [calls.create, calls.update, calls.delete])
        assert.match(await grpc.send(call, headers), kind)
    }
    await refused(undefined, 401, /^unauthenticated: this needs credentials with the scope products:write$/)
    await refused('Bearer abc', 401, /^unauthenticated: the token is not a signed JWT$/)
    for (const claims of claimsWithoutRight)
      await refused(
        `Bearer ${await issuer.sign(claims)}`,
        403,
        /^forbidden: this needs the scope products:write$/,
      )
    assert.deepEqual(await rows(), unwritten)
    const authorization = `Bearer ${await issuer.sign({ scope: 'openid  products:write' })}`
    assert.equal((await sendRaw(products.url, { ...patch, headers: { authorization } })).status, 200)
    assert.notDeepEqual(await rows(), unwritten)
  })
})
