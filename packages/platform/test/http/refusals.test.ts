import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import { Type } from 'typebox'
import { exactQuery } from '../../src/http/query/exact-query.ts'
import { startServer } from '../support/http-server.ts'

const Thing = Type.Object({ name: Type.String() })
const ById = Type.Object({ id: Type.Integer({ minimum: 1 }) })
const Paging = Type.Object({ limit: Type.Integer({ default: 7 }) })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/things', { schema: { querystring: Paging } }, async ({ query }) => query)
  app.post('/things', { schema: { body: Thing } }, async ({ body }) => body)
  app.get('/things/:id', { schema: { params: ById } }, async ({ params }) => params)
  app.delete('/things/:id', { schema: { params: ById } }, async () => ({}))
  app.post('/anything', async () => ({}))
  const exact = exactQuery({ limit: Type.Optional(Type.Integer()), sort: Type.Optional(Type.String()) })
  app.get('/lists', { schema: { querystring: exact } }, async ({ query }) => query)
  app.post('/uploads', { bodyLimit: 100, schema: { body: Thing } }, async ({ body }) => body)
}

const json = { 'content-type': 'application/json' }

/** Returns a JSON body of exactly this many bytes. */
const bodyOf = (bytes: number) => JSON.stringify({ name: 'x'.repeat(bytes - '{"name":""}'.length) })

const unparsable = { status: 400, code: 'invalid', detail: 'the request or its JSON body cannot be parsed' }

describe('a request that the HTTP server refuses', async () => {
  const server = await startServer({ routes })
  const { app, lines } = server
  after(() => server[Symbol.asyncDispose]())
  const post = (payload: string, headers: Record<string, string> = json) =>
    app.inject({ method: 'POST', url: '/things', headers, payload })

  it('gets a 404 for an unknown path', async () => {
    for (const method of ['GET', 'POST', 'DELETE'] as const)
      assertProblem(await app.inject({ method, url: '/nothing/here?secret=1' }), {
        status: 404,
        code: 'not_found',
        detail: 'path not found',
        instance: '/nothing/here',
      })
  })

  it('gets a 405 with Allow when the path does not support the method', async () => {
    const cases = [
      ['PUT', '/things', 'GET, HEAD, POST, OPTIONS'],
      ['PATCH', '/things/7', 'GET, HEAD, DELETE, OPTIONS'],
      ['GET', '/anything', 'POST, OPTIONS'],
      ['DELETE', '/health', 'GET, HEAD, OPTIONS'],
    ] as const
    for (const [method, url, allow] of cases) {
      const response = await app.inject({ method, url })
      assertProblem(response, {
        status: 405,
        code: 'method_not_allowed',
        detail: 'method not allowed; the Allow header lists the allowed methods',
        instance: url,
      })
      assert.equal(response.headers['allow'], allow)
    }
  })

  it('gets a 405 before its body is parsed', async () => {
    const response = await app.inject({ method: 'PUT', url: '/things', headers: json, payload: '{broken' })
    assert.equal(response.statusCode, 405)
  })

  it('gets a 413 when the body exceeds 64 KiB', async () => {
    assert.equal((await post(bodyOf(65_536))).statusCode, 200)
    assertProblem(await post(bodyOf(65_537)), {
      status: 413,
      code: 'payload_too_large',
      detail: 'the body must be at most 65536 bytes',
      instance: '/things',
    })
  })

  it('gets a 413 that names the limit of the route or of the service', async () => {
    await using large = await startServer({ routes, maxBodyBytes: 100_000 })
    for (const [url, limit] of [
      ['/things', 100_000],
      ['/uploads', 100],
    ] as const) {
      const request = { method: 'POST', url, headers: json } as const
      assert.equal((await large.app.inject({ ...request, payload: bodyOf(limit) })).statusCode, 200)
      assertProblem(await large.app.inject({ ...request, payload: bodyOf(limit + 1) }), {
        status: 413,
        code: 'payload_too_large',
        detail: `the body must be at most ${limit} bytes`,
        instance: url,
      })
    }
  })

  it('gets a 400 for unknown query parameters where the query is exact', async () => {
    const rule = 'is not a known name; the known names are limit, sort'
    const cases = [
      ['page=2', [['/page', rule]]],
      ['limit[]=2&limit=1', [['/limit[]', rule]]],
      ['__proto__=2', [['/__proto__', rule]]],
      ['Limit=2&sort=a', [['/Limit', rule]]],
      [
        'page=2&limit=x',
        [
          ['/page', rule],
          ['/limit', 'must be a whole number'],
        ],
      ],
    ] as const
    for (const method of ['GET', 'HEAD'] as const)
      for (const [query, violations] of cases) {
        const response = await app.inject({ method, url: `/lists?${query}` })
        assert.equal(response.statusCode, 400)
        if (method === 'GET')
          assertProblem(response, {
            status: 400,
            code: 'invalid',
            detail: violations.map(([path, message]) => `${path.slice(1)} ${message}`).join('; '),
            instance: '/lists',
            errors: violations.map(([path, message]) => ({ path, message })),
          })
      }
    assert.deepEqual((await app.inject('/lists?sort=a&limit=3')).json(), { limit: 3, sort: 'a' })
  })

  it('ignores unknown query parameters elsewhere', async () => {
    for (const url of [
      '/things?page=2',
      '/things/7?page=2',
      '/health?page=2',
      '/health/live?x=',
      '/metrics?x',
    ])
      assert.equal((await app.inject(url)).statusCode, 200, url)
  })

  it('gets a 415 when the content type is missing or not JSON', async () => {
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'nonsense', ''])
      assertProblem(await post('{"name":"pen"}', { 'content-type': type }), {
        status: 415,
        code: 'unsupported_media_type',
        detail: 'unsupported media type; send application/json',
        instance: '/things',
      })
    assert.equal((await app.inject({ method: 'POST', url: '/things', payload: 'name=pen' })).statusCode, 415)
    assert.equal(
      (await post('{"name":"pen"}', { 'content-type': 'application/json; charset=utf-8' })).statusCode,
      200,
    )
  })

  it('gets a 400 when the body is not valid JSON', async () => {
    for (const payload of ['{', '{"name":}', "{'name':'pen'}", '{"name":"pen"} x', 'undefined', 'NaN', ' '])
      assertProblem(await post(payload), { ...unparsable, instance: '/things' })
  })

  it('gets a 400 when a required body is missing or is not an object', async () => {
    for (const payload of ['', 'null', '[]', '"text"', '5'])
      assertProblem(await post(payload), {
        status: 400,
        code: 'invalid',
        detail: 'body must be an object',
        instance: '/things',
        errors: [{ path: '', message: 'must be an object' }],
      })
  })

  it('gets a 400 that names each field and the violated rule when the input violates the schema', async () => {
    assertProblem(await post('{"name":5}'), {
      status: 400,
      code: 'invalid',
      detail: 'name must be a string',
      instance: '/things',
      errors: [{ path: '/name', message: 'must be a string' }],
    })
    for (const id of ['0', '1e3', '1.0', 'top'])
      assert.equal((await app.inject(`/things/${id}`)).statusCode, 400, id)
    for (const limit of ['', '1e3', '0x10', '5&limit=6'])
      assert.equal((await app.inject(`/things?limit=${limit}`)).statusCode, 400, limit)
  })

  it('gets a 400 when the path is not percent-encoded correctly', async () => {
    for (const url of ['/things/%zz', '/things/%', '/things/%e0%a4%a', '/nothing/%ff'])
      assertProblem(await app.inject(url), {
        ...unparsable,
        detail: 'the path has a malformed percent-encoding',
        instance: url,
      })
  })

  it('gets a 404 for a path that leaves the folder of the documentation', async () => {
    for (const url of ['/docs/static/%5c..', '/docs/static/..%2fpage.ts'])
      assertProblem(await app.inject(url), {
        status: 404,
        code: 'not_found',
        detail: 'path not found',
        instance: url,
      })
  })

  it('gets the text of its status when there is no own text', async () => {
    const url = '/docs/static/swagger-ui.css'
    assertProblem(await app.inject({ url, headers: { range: 'bytes=99999999-' } }), {
      status: 416,
      code: 'invalid',
      detail: 'the request is refused: range not satisfiable',
      instance: url,
    })
  })

  it('gets a 414 when a path segment exceeds 2048 characters', async () => {
    assert.equal((await app.inject(`/things/${'9'.repeat(2_048)}`)).statusCode, 400)
    const url = `/things/${'9'.repeat(2_049)}`
    assertProblem(await app.inject(url), {
      status: 414,
      code: 'invalid',
      detail: 'the path is too long',
      instance: url,
    })
  })

  it('is not logged above level info', () => {
    assert.ok(lines.length > 0)
    assert.deepEqual(
      lines.filter(({ level }) => Number(level) > 30),
      [],
    )
  })
})

describe('a body with an unsupported encoding', () => {
  const post = async (payload: Buffer | string, headers: Record<string, string> = {}) => {
    await using server = await startServer({
      routes: async (app) => void app.post('/things', ({ body }) => ({ body })),
    })
    return server.app.inject({
      method: 'POST',
      url: '/things',
      payload,
      headers: { 'content-type': 'application/json', ...headers },
    })
  }

  it('gets a 400 when it is not UTF-8 or contains a lone surrogate', async () => {
    for (const bytes of ['7b2261223a22ff227d', '7b2261223a22eda080227d']) {
      const { statusCode, body } = await post(Buffer.from(bytes, 'hex'))
      assert.deepEqual([statusCode, JSON.parse(body).detail], [400, 'body must be UTF-8'])
    }
    assert.equal((await post('{"a":"\u{1F600}é"}')).statusCode, 200)
  })
})
