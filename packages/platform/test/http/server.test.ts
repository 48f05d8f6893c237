import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { Type } from 'typebox'
import { startServer } from '../support/http-server.ts'

const Thing = Type.Object({ name: Type.String() })
const ById = Type.Object({ id: Type.Integer({ minimum: 1 }) })
const Paging = Type.Object({ limit: Type.Integer({ default: 7 }), after: Type.Optional(Type.String()) })

const json = { 'content-type': 'application/json' }

describe('the HTTP server', async () => {
  const server = await startServer({
    routes: async (app) => {
      app.get('/things', { schema: { querystring: Paging } }, async ({ query }) => query)
      app.post('/things', { schema: { body: Thing } }, async ({ body }) => body)
      app.get('/things/:id', { schema: { params: ById } }, async ({ params }) => params)
      app.delete('/things/:id', { schema: { params: ById } }, (_request, reply) => reply.code(204).send())
      app.get('/things/by/:name', { schema: { params: Thing } }, async ({ params }) => params)
    },
  })
  const { app } = server
  after(() => server[Symbol.asyncDispose]())

  it('converts integers and fills in defaults in paths and queries', async () => {
    assert.deepEqual((await app.inject('/things/12')).json(), { id: 12 })
    assert.deepEqual((await app.inject('/things?limit=3&after=12')).json(), { limit: 3, after: '12' })
    assert.deepEqual((await app.inject('/things')).json(), { limit: 7 })
  })

  it('decodes path segments', async () => {
    const response = await app.inject(`/things/by/${encodeURIComponent('a/b ž😀%')}`)
    assert.deepEqual(response.json(), { name: 'a/b ž😀%' })
  })

  it('drops __proto__ and constructor from a body, and allows properties that are not in the schema', async () => {
    const payload =
      '{"name":"pen","color":"red","__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}'
    const response = await app.inject({ method: 'POST', url: '/things', headers: json, payload })
    assert.equal(response.body, '{"name":"pen","color":"red"}')
    assert.equal('admin' in {}, false)
  })

  it('accepts a DELETE with a content type and an empty body', async () => {
    const response = await app.inject({ method: 'DELETE', url: '/things/7', headers: json })
    assert.deepEqual([response.statusCode, response.body], [204, ''])
    assert.equal((await app.inject({ method: 'DELETE', url: '/things/7' })).statusCode, 204)
  })

  it('ignores one trailing slash', async () => {
    assert.deepEqual((await app.inject('/things/12/')).json(), { id: 12 })
    assert.equal((await app.inject({ method: 'PUT', url: '/things/12/' })).statusCode, 405)
    assert.equal((await app.inject('/things/12//')).statusCode, 404)
  })

  it('answers HEAD like GET, without the body', async () => {
    const get = await app.inject('/things/12')
    const head = await app.inject({ method: 'HEAD', url: '/things/12' })
    assert.deepEqual([head.statusCode, head.body], [200, ''])
    for (const name of ['content-type', 'content-length']) assert.equal(head.headers[name], get.headers[name])
    assert.equal((await app.inject({ method: 'HEAD', url: '/nothing' })).body, '')
  })

  it('lets pages of any origin use every method, send any header, and read the exposed headers', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const { statusCode, headers } = await app.inject({
        method: 'OPTIONS',
        url: '/things/7',
        headers: {
          origin: 'https://shop.example',
          'access-control-request-method': method,
          'access-control-request-headers': 'content-type, if-match',
        },
      })
      assert.equal(statusCode, 204)
      assert.equal(headers['access-control-allow-origin'], '*')
      assert.equal(headers['access-control-allow-headers'], 'content-type, if-match')
      assert.equal(headers['access-control-max-age'], '600')
      assert.equal(headers['allow'], 'GET, HEAD, DELETE, OPTIONS')
      assert.ok(String(headers['access-control-allow-methods']).split(', ').includes(method), method)
    }
    const { headers } = await app.inject({ url: '/things', headers: { origin: 'https://shop.example' } })
    assert.equal(headers['access-control-allow-origin'], '*')
    assert.equal(
      headers['access-control-expose-headers'],
      'ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, x-request-id',
    )
  })

  it('sets security headers on successful and failed responses', async () => {
    for (const url of ['/things', '/nothing', '/things/zero']) {
      const { headers } = await app.inject(url)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['x-frame-options'], 'SAMEORIGIN')
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin')
      assert.equal(headers['content-security-policy'], "default-src 'none';frame-ancestors 'none'")
      assert.equal(headers['x-powered-by'], undefined)
      assert.equal(headers['server'], undefined)
      assert.equal(headers['strict-transport-security'], undefined)
      // These are for pages.
      assert.equal(headers['referrer-policy'], undefined)
      assert.equal(headers['cross-origin-opener-policy'], undefined)
    }
  })

  it('sends Strict-Transport-Security only when it is configured, and never for subdomains', async () => {
    await using secure = await startServer({ config: { hstsMaxAgeSeconds: 86_400 } })
    for (const url of ['/health', '/nothing'])
      assert.equal((await secure.app.inject(url)).headers['strict-transport-security'], 'max-age=86400')
  })
})
