import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { anybody } from '@shop/kernel/policy.ts'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import { guardedBy } from '../../src/http/openapi/access.ts'
import { startServer } from '../support/http-server.ts'

const relatedDocs = 'http://localhost:9090/docs?a=1&b="2"'
const documentation = {
  title: 'Thing <service>',
  relatedTitle: 'Part service',
  operations: {
    putThing: { description: 'Puts.', guard: guardedBy(anybody, undefined), problems: [] },
    getThing: { description: 'Gets.', guard: guardedBy(anybody, undefined), problems: [] },
  },
}
const routes = async (app: { get: (path: string, handler: () => object) => unknown }) =>
  void app.get('/things/:id', () => ({}))

const browser =
  'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8'

describe('the root of the server', async () => {
  const server = await startServer({ documentation, routes, config: { relatedDocs } })
  const { app } = server
  after(() => server[Symbol.asyncDispose]())

  it('leads a browser to the documentation page', async () => {
    const response = await app.inject({ url: '/', headers: { accept: browser } })
    assert.deepEqual([response.statusCode, response.headers['location']], [302, '/docs'])
    const page = await app.inject('/docs')
    assert.match(String(page.headers['content-type']), /^text\/html/)
  })

  it('tells other clients in JSON where the documentation is', async () => {
    for (const accept of [
      undefined,
      '*/*',
      'application/json',
      'text/csv',
      'application/json, text/html;q=0.9',
    ]) {
      const response = await app.inject({ url: '/', headers: accept === undefined ? {} : { accept } })
      assert.equal(response.statusCode, 200, String(accept))
      assert.deepEqual(response.json(), {
        title: 'Thing <service>',
        version: '1.0.0',
        documentation: '/docs',
        openapi: '/openapi.json',
        health: '/health',
        related: { title: 'Part service', documentation: relatedDocs },
      })
    }
  })

  it('has the same headers for both, also for HEAD: Vary, and the links of RFC 8631', async () => {
    for (const method of ['GET', 'HEAD'] as const)
      for (const accept of [browser, '*/*']) {
        const { headers } = await app.inject({ method, url: '/', headers: { accept } })
        assert.equal(headers['vary'], 'Accept-Encoding, Accept')
        assert.match(
          String(headers['link']),
          /<\/docs>; rel="service-doc".*<\/openapi\.json>; rel="service-desc"/,
        )
      }
  })

  it('is not the route of requests that are refused before a route', async () => {
    server.lines.length = 0
    for (const url of ['/things/%zz', `/things/${'1'.repeat(3_000)}`, '/nothing', '*']) await app.inject(url)
    const seen = server.lines.filter(({ msg }) => msg === 'request').map(({ route }) => route)
    assert.deepEqual(
      seen,
      Array.from({ length: 4 }, () => 'unmatched'),
    )
  })
})

describe('the documentation page', async () => {
  const server = await startServer({ documentation, config: { relatedDocs } })
  const { app } = server
  after(() => server[Symbol.asyncDispose]())

  it('has the name of the service, a link to the related service, and the order of the operations', async () => {
    for (const url of ['/docs', '/docs/']) {
      const { body } = await app.inject(url)
      assert.match(body, /<title>Thing &lt;service&gt; – API documentation<\/title>/)
      assert.ok(
        body.includes('<a href="http://localhost:9090/docs?a=1&amp;b=&quot;2&quot;">Part service</a>'),
        body,
      )
      assert.match(body, /data-operations="putThing getThing"/)
      assert.match(body, /<a href="\/openapi\.json">/)
      assert.doesNotMatch(body, /\/docs\/json/)
    }
  })

  it('links to no related service if nobody knows where it is', async () => {
    await using alone = await startServer({ documentation })
    assert.doesNotMatch((await alone.app.inject('/docs')).body, /Part service/)
    assert.equal((await alone.app.inject('/')).json().related, undefined)
  })

  it('allows no inline code and no other origin', async () => {
    const { headers, body } = await app.inject('/docs')
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /^default-src 'none';/)
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
    assert.equal(headers['referrer-policy'], 'no-referrer')
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.doesNotMatch(policy, /unsafe|https?:/)
    assert.doesNotMatch(body, /<script(?! src="\/docs\/static\/)|<style|style=|\son\w+=/)
    for (const [, url = ''] of body.matchAll(/(?:src|<link [^>]*href)="([^"]+)"/g)) {
      assert.match(url, /^\/(?!\/)/)
      assert.equal((await app.inject(url)).statusCode, 200, url)
    }
  })

  it('has its own icon, which is also that of all other responses', async () => {
    const { headers, body } = await app.inject('/favicon.ico')
    assert.equal(headers['content-type'], 'image/svg+xml')
    assert.match(body, />T<\/text><\/svg>\n$/)
  })

  it('serves no other files of its folders', async () => {
    for (const name of ['swagger-ui-standalone-preset.js', 'logo.svg', 'index.html', 'csp.json', ''])
      assertProblem(await app.inject(`/docs/static/${name}`), {
        status: 404,
        code: 'not_found',
        detail: 'path not found',
        instance: `/docs/static/${name}`,
      })
  })
})

it('the OpenAPI document has the names that version 0.1.0 gave it, too', async () => {
  await using server = await startServer({ documentation })
  const { body } = await server.app.inject('/openapi.json')
  assert.equal(JSON.parse(body).info.title, 'Thing <service>')
  assert.equal((await server.app.inject('/docs/json')).body, body)
  const yaml = await server.app.inject('/docs/yaml')
  assert.match(yaml.body, /^openapi: 3\.1\.0\n/)
})
