import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { after, describe, it } from 'node:test'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import { Type } from 'typebox'
import { acceptJson } from '../../src/http/json-bodies.ts'
import { startServer } from '../support/http-server.ts'

const ById = Type.Object({ id: Type.Integer({ minimum: 1 }) })
const ByNumber = Type.Object({ n: Type.Integer({ minimum: 1 }) })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/things', async () => [])
  app.post('/things', async () => ({}))
  app.get('/things/:id', { schema: { params: ById } }, async ({ params }) => params)
  app.delete('/things/:id', { schema: { params: ById } }, async () => ({}))
  app.get('/things/top-:n', { schema: { params: ByNumber } }, async ({ params }) => params)
  app.get('/things/by-name/:name', async ({ params }) => params)
  app.get('/things/:id/parts/:part', async ({ params }) => params)
  app.get('/things/:id/:list', async ({ params }) => params)
  app.post('/things/files/csv', async () => ({}))
  app.get('/users/:id/names', async () => ({}))
  await app.register(async (scope) => {
    acceptJson(scope, 'application/merge-patch+json')
    scope.patch('/things/:id', async () => ({}))
  })
}

/** The types of `inject` know only some methods. */
const method = (name: string) => name as 'GET'

const allowed: Readonly<Record<string, string>> = {
  '/things': 'GET, HEAD, POST, OPTIONS',
  '/things/7': 'GET, HEAD, PATCH, DELETE, OPTIONS',
  '/things/7/': 'GET, HEAD, PATCH, DELETE, OPTIONS',
  '/things/top-5': 'GET, HEAD, OPTIONS',
  '/users/1/names': 'GET, HEAD, OPTIONS',
  '/health/ready': 'GET, HEAD, OPTIONS',
  '/metrics': 'GET, HEAD, OPTIONS',
  '/': 'GET, HEAD, OPTIONS',
  '/docs': 'GET, HEAD, OPTIONS',
  '/docs/static/swagger-ui.css': 'GET, HEAD, OPTIONS',
  '/openapi.json': 'GET, HEAD, OPTIONS',
}

/** Paths that only continue in a route, and that another route would take for one of its own. */
const reserved = ['/things/by-name', '/things/by-name/', '/things/top-', '/things/7/parts', '/things/files']

for (const corsOrigins of ['*', 'off', 'https://shop.example'])
  describe(`methods, with the CORS origins ${corsOrigins}`, async () => {
    const server = await startServer({ routes, config: { corsOrigins } })
    const { app } = server
    after(() => server[Symbol.asyncDispose]())

    for (const [url, allow] of Object.entries(allowed))
      it(`${url} answers all methods except ${allow} with 405, and OPTIONS with the same Allow`, async () => {
        for (const name of METHODS.filter((known) => !allow.split(', ').includes(known))) {
          const payload = ['TRACE', 'GET', 'HEAD'].includes(name) ? {} : { payload: 'not JSON' }
          const response = await app.inject({ method: method(name), url, ...payload })
          assert.deepEqual([response.statusCode, response.headers['allow']], [405, allow], name)
          if (name !== 'HEAD') assert.equal(response.json().code, 'method_not_allowed')
        }
        const options = await app.inject({ method: 'OPTIONS', url })
        assert.deepEqual([options.statusCode, options.body, options.headers['allow']], [204, '', allow])
      })

    it('a path that only continues in a route allows nothing, although a parameter would match it', async () => {
      for (const url of reserved) {
        for (const name of METHODS.filter((known) => known !== 'OPTIONS' && known !== 'DELETE')) {
          const response = await app.inject({ method: method(name), url })
          assert.deepEqual(
            [response.statusCode, response.headers['allow']],
            [405, 'OPTIONS'],
            `${name} ${url}`,
          )
        }
        const options = await app.inject({ method: 'OPTIONS', url })
        assert.deepEqual([options.statusCode, options.headers['allow']], [204, 'OPTIONS'], url)
      }
      assert.deepEqual((await app.inject('/things/top-5')).json(), { n: 5 })
      assert.deepEqual((await app.inject('/things/by-name/pen')).json(), { name: 'pen' })
      assert.deepEqual((await app.inject('/things/7/rest')).json(), { id: '7', list: 'rest' })
      assert.equal((await app.inject('/things/by')).statusCode, 400)
      assert.equal((await app.inject('/users/1')).statusCode, 404)
    })

    it('an unknown path answers every method with 404, whatever the body', async () => {
      for (const name of METHODS.filter((known) => known !== 'CONNECT'))
        for (const url of ['/nothing', '/nothing/', '/nothing/here?a=1', '/users']) {
          const payload = ['TRACE', 'GET', 'HEAD'].includes(name) ? {} : { payload: 'not JSON' }
          const response = await app.inject({ method: method(name), url, ...payload })
          assert.deepEqual(
            [response.statusCode, response.headers['allow']],
            [404, undefined],
            `${name} ${url}`,
          )
        }
      assertProblem(await app.inject({ method: 'OPTIONS', url: '/nothing' }), {
        status: 404,
        code: 'not_found',
        detail: 'path not found',
        instance: '/nothing',
      })
    })

    it('OPTIONS lists the media types of POST and PATCH', async () => {
      const things = await app.inject({ method: 'OPTIONS', url: '/things' })
      assert.equal(things.headers['accept-post'], 'application/json')
      assert.equal(things.headers['accept-patch'], undefined)
      const thing = await app.inject({ method: 'OPTIONS', url: '/things/7' })
      assert.equal(thing.headers['accept-patch'], 'application/merge-patch+json, application/json')
      assert.equal(thing.headers['accept-post'], undefined)
    })

    it('OPTIONS answers a preflight request of an allowed origin, and lets it be kept for ten minutes', async () => {
      const preflight = (origin: string, url: string) =>
        app.inject({
          method: 'OPTIONS',
          url,
          headers: {
            origin,
            'access-control-request-method': 'PUT',
            'access-control-request-headers': 'x-a',
          },
        })
      const { statusCode, headers } = await preflight('https://shop.example', '/things')
      assert.deepEqual([statusCode, headers['allow']], [204, allowed['/things']])
      const on = corsOrigins !== 'off'
      assert.equal(headers['access-control-allow-origin'], on ? corsOrigins : undefined)
      assert.equal(
        headers['access-control-allow-methods'],
        on ? 'GET, HEAD, POST, PUT, PATCH, DELETE' : undefined,
      )
      assert.equal(headers['access-control-max-age'], on ? '600' : undefined)
      assert.equal(headers['access-control-allow-headers'], on ? 'x-a' : undefined)
      assert.equal((await preflight('https://shop.example', '/nothing')).statusCode, 404)
    })
  })
