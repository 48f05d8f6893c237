import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import type { InjectOptions } from 'fastify'
import { tagged } from '../../src/http/preconditions.ts'
import { startServer } from '../support/http-server.ts'

const decoders: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  br: brotliDecompressSync,
  gzip: gunzipSync,
  none: (body) => body,
}

const json = 'application/json; charset=utf-8'
/** JSON of exactly this many bytes. */
const bodyOf = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`
const large = { text: 'é'.repeat(1_000) }

describe('compression', async () => {
  const shared = Buffer.from(bodyOf(5_000))
  const types = ['image/png', 'text/event-stream', 'application/octet-stream', 'text/csv', 'image/svg+xml']
  const server = await startServer({
    routes: async (app) => {
      app.get('/large', async () => large)
      app.get('/tagged', (request, reply) => tagged(request, reply, '"7"', () => large))
      app.get<{ Params: { bytes: string } }>('/bytes/:bytes', ({ params }, reply) =>
        reply.type(json).send(bodyOf(Number(params.bytes))),
      )
      app.get('/shared', (_request, reply) => reply.type(json).send(shared))
      app.get<{ Params: { type: number } }>('/types/:type', ({ params }, reply) =>
        reply.type(types[params.type] ?? '').send(bodyOf(5_000)),
      )
      app.get('/encoded', (_request, reply) => reply.header('content-encoding', 'zstd').send(bodyOf(5_000)))
      app.get('/part', (_request, reply) => reply.code(206).type(json).send(bodyOf(5_000)))
      app.delete('/large', (_request, reply) => reply.code(204).send(null))
    },
  })
  const { app } = server
  after(() => server[Symbol.asyncDispose]())

  const get = (url: string, acceptEncoding?: string, options: InjectOptions = {}) =>
    app.inject({
      url,
      ...options,
      headers: {
        ...options.headers,
        ...(acceptEncoding !== undefined && { 'accept-encoding': acceptEncoding }),
      },
    })
  const codingOf = (response: Awaited<ReturnType<typeof get>>) =>
    response.headers['content-encoding'] ?? 'none'
  const decoded = (response: Awaited<ReturnType<typeof get>>) =>
    String(decoders[codingOf(response)]?.(response.rawPayload))

  it('uses the coding that Accept-Encoding prefers, brotli if it prefers none', async () => {
    for (const [header, expected] of [
      ['gzip', 'gzip'],
      ['br', 'br'],
      ['GZip', 'gzip'],
      ['gzip, deflate, br, zstd', 'br'],
      ['br;q=0.5, gzip;q=0.8', 'gzip'],
      ['br ; q=0.8 , gzip ; Q=0.5', 'br'],
      ['*', 'br'],
      ['gzip;q=0.5, *;q=0.1', 'gzip'],
      ['br;q=0, *', 'gzip'],
      ['gzip;q=0, *', 'br'],
      ['gzip, *;q=0', 'gzip'],
      ['identity;q=0', 'none'],
      ['identity;q=0, gzip;q=0.1', 'gzip'],
      ['identity;q=0.5, gzip;q=0.1', 'none'],
      ['identity, gzip', 'gzip'],
      ['gzip;q=0', 'none'],
      ['gzip;q=0.000, br;q=0', 'none'],
      ['*;q=0', 'none'],
      ['deflate, zstd', 'none'],
      ['identity', 'none'],
      ['', 'none'],
      [undefined, 'none'],
      ['gzip;q=x', 'none'],
    ] as const) {
      const response = await get('/large', header)
      assert.deepEqual([response.statusCode, codingOf(response)], [200, expected], `${header}`)
      assert.deepEqual(JSON.parse(decoded(response)), large)
      assert.equal(Number(response.headers['content-length']), response.rawPayload.length)
      assert.equal(response.headers['vary'], 'Accept-Encoding')
      assert.equal(response.headers['content-type'], json)
    }
  })

  it('leaves a readable response whatever Accept-Encoding says', async () => {
    const token = fc.constantFrom('gzip', 'br', 'identity', '*', ';q=0', ';q=1', ';q=', ',', ' ', '"', '=')
    const header = fc.oneof(
      fc.array(token).map((tokens) => tokens.join('')),
      fc.string({ unit: 'grapheme-ascii' }),
    )
    await fc.assert(
      fc.asyncProperty(header, async (acceptEncoding) => {
        assert.deepEqual(JSON.parse(decoded(await get('/large', acceptEncoding))), large)
      }),
    )
  })

  it('starts above 1 KiB', async () => {
    for (const bytes of [2, 341, 342, 1_024]) {
      const response = await get(`/bytes/${bytes}`, 'gzip')
      assert.deepEqual([codingOf(response), response.body], ['none', bodyOf(bytes)])
      assert.equal(response.headers['vary'], 'Accept-Encoding')
    }
    assert.equal(codingOf(await get('/bytes/1025', 'gzip')), 'gzip')
  })

  it('includes small responses only if the client refuses others', async () => {
    for (const header of ['identity;q=0, gzip', 'gzip, *; q=0.0']) {
      const response = await get('/bytes/9', header)
      assert.deepEqual([codingOf(response), decoded(response)], ['gzip', bodyOf(9)])
    }
    for (const header of ['gzip, *;q=0.5', 'gzip, *;q=0, identity', 'identity;q=0'])
      assert.equal(codingOf(await get('/bytes/9', header)), 'none')
  })

  it('leaves the ETag, and a 304 has the same Vary', async () => {
    for (const coding of ['gzip', 'br', 'identity']) {
      const { statusCode, headers } = await get('/tagged', coding)
      assert.deepEqual([statusCode, headers['etag']], [200, '"7"'])
      for (const tag of ['"7"', 'W/"7"']) {
        const unchanged = await get('/tagged', coding, { headers: { 'if-none-match': tag } })
        assert.deepEqual([unchanged.statusCode, unchanged.body], [304, ''])
        assert.deepEqual([unchanged.headers['etag'], unchanged.headers['vary']], ['"7"', 'Accept-Encoding'])
        assert.equal(unchanged.headers['content-encoding'], undefined)
      }
    }
  })

  it('gives HEAD the headers of GET', async () => {
    for (const url of ['/large', '/shared', '/docs/static/swagger-ui.css'])
      for (const coding of ['gzip', 'br', 'identity']) {
        const [got, head] = [await get(url, coding), await get(url, coding, { method: 'HEAD' })]
        assert.deepEqual([head.statusCode, head.body], [200, ''])
        for (const name of ['content-encoding', 'content-length', 'content-type', 'vary', 'etag'])
          assert.equal(head.headers[name], got.headers[name], `${url} ${coding} ${name}`)
      }
  })

  it('compresses a buffer once per coding, for all responses that share it', async () => {
    const original = shared.toString()
    for (const coding of ['gzip', 'br']) assert.equal(decoded(await get('/shared', coding)), original)
    shared.write('changed', 1)
    try {
      for (const coding of ['gzip', 'br']) assert.equal(decoded(await get('/shared', coding)), original)
      assert.equal(decoded(await get('/shared')), shared.toString())
    } finally {
      shared.write(original)
    }
  })

  it('leaves out what does not shrink, what must not wait, what has a coding, and parts', async () => {
    for (const [index, expected] of ['none', 'none', 'none', 'gzip', 'gzip'].entries())
      assert.equal(codingOf(await get(`/types/${index}`, 'gzip')), expected, `${types[index]}`)
    assert.equal(codingOf(await get('/encoded', 'gzip')), 'zstd')
    const part = await get('/part', 'gzip')
    assert.deepEqual([part.statusCode, codingOf(part), part.body], [206, 'none', bodyOf(5_000)])
    const deleted = await get('/large', 'gzip', { method: 'DELETE' })
    assert.deepEqual([deleted.statusCode, codingOf(deleted)], [204, 'none'])
  })

  it('includes metrics, the OpenAPI document and the documentation', async () => {
    for (const url of ['/metrics', '/openapi.json', '/docs/json', '/docs/static/swagger-ui.css'])
      for (const coding of ['gzip', 'br']) {
        const [plain, compressed] = [await get(url), await get(url, coding)]
        assert.equal(codingOf(compressed), coding, url)
        assert.ok(compressed.rawPayload.length < plain.rawPayload.length / 2)
        if (url !== '/metrics') assert.equal(decoded(compressed), plain.body)
        else assert.match(decoded(compressed), /^build_info\{/m)
        assert.match(String(compressed.headers['vary']), /Accept-Encoding/)
      }
  })

  it('adds to the Vary of CORS', async () => {
    await using other = await startServer({ config: { corsOrigins: 'https://shop.example' } })
    const { headers } = await other.app.inject('/health/live')
    assert.equal(headers['vary'], 'Accept-Encoding, Origin')
  })

  it('can be switched off', async () => {
    await using off = await startServer({
      routes: async (plain) => void plain.get('/large', async () => large),
      config: { compression: false },
    })
    const { headers, body } = await off.app.inject({ url: '/large', headers: { 'accept-encoding': 'gzip' } })
    assert.deepEqual([headers['content-encoding'], headers['vary']], [undefined, undefined])
    assert.deepEqual(JSON.parse(body), large)
  })
})
