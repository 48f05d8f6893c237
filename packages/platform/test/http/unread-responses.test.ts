import assert from 'node:assert/strict'
import { after, afterEach, describe, it } from 'node:test'
import { Counter } from '@prometheus-io/client'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { readAll } from '../support/raw-http.ts'
import { large, share, startWithReaders, timeoutMs } from '../support/readers.ts'

const [attacker, innocent, third] = ['127.0.0.9', '127.0.0.1', '127.0.0.2'] as const

/** As many clients as can fill the total. */
const many = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'] as const

/** Leaves less than a small response of the share. */
const filling = `/bytes/${share - 10_000}`

describe('a client that does not read its responses', async () => {
  const server = await startWithReaders()
  const { get, send, leaveUnread, assertUnread, recorded } = server
  after(() => server[Symbol.asyncDispose]())
  afterEach(server.closeAll)

  it('gets no more large ones, but small ones; others get theirs', async () => {
    await leaveUnread(attacker, `/bytes/${large}`)
    await assertUnread(large)
    const { status, headers, body } = await get(attacker, `/bytes/${large}`)
    assert.equal(status, 429)
    const { request_id, ...problem } = JSON.parse(body)
    assert.deepEqual(problem, {
      type: 'about:blank',
      title: 'Too Many Requests',
      status: 429,
      detail: 'too many unread responses from your address, try again later',
      code: 'rate_limited',
      instance: `/bytes/${large}`,
    })
    assert.equal(headers['x-request-id'], request_id)
    assert.match(headers['content-type'] ?? '', /^application\/problem\+json/)
    assert.equal(headers['content-length'], String(Buffer.byteLength(body)))
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(headers['retry-after'], '1')
    assert.equal(headers['access-control-allow-origin'], '*')
    for (const name of ['etag', 'last-modified', 'accept-ranges']) assert.equal(headers[name], undefined)
    assert.equal((await get(attacker, '/bytes/16384')).status, 200)
    assert.equal((await get(attacker, '/health')).status, 200)
    assert.equal((await get(innocent, `/bytes/${large}`)).status, 200)
    assert.deepEqual(await server.counted('requests_refused_total'), [
      'requests_refused_total{reason="response_bytes",scope="client"} 1',
    ])
    assert.equal((await send(attacker, `HEAD /bytes/${large} HTTP/1.1`)).status, 200)
  })

  it('gets the responses to its writes, errors and scrapes; its oldest unread one is cut for them', async () => {
    const series = new Counter({
      name: 'series_total',
      help: 'Many',
      labelNames: ['n'],
      registers: [server.metrics.registry],
    })
    for (let n = 0; n < 500; n++) series.inc({ n })
    for (const [request, status] of [
      ['POST /written HTTP/1.1', 200],
      ['GET /failed HTTP/1.1', 400],
      ['GET /metrics HTTP/1.1', 200],
    ] as const) {
      const cut = recorded(499)
      await leaveUnread(attacker, filling)
      await assertUnread(share - 10_000)
      assert.equal((await send(attacker, request)).status, status)
      await eventually(timeoutMs, async () => assert.equal(recorded(499), cut + 1))
    }
    assert.deepEqual(await server.counted('responses_cut_total'), ['responses_cut_total{reason="evicted"} 3'])
  })

  it('has no list made for it', async () => {
    assert.equal((await get(attacker, '/list')).body, '1')
    await leaveUnread(attacker, filling)
    await assertUnread(share - 10_000)
    assert.equal((await get(attacker, '/list')).status, 429)
    assert.equal((await get(innocent, '/list')).body, '2')
  })

  it('gets no further stream, and the stream is closed', async () => {
    await leaveUnread(attacker, filling)
    await assertUnread(share - 10_000)
    assert.equal((await get(attacker, '/stream')).status, 429)
    assert.deepEqual(
      server.streams.map(({ destroyed }) => destroyed),
      [true],
    )
  })

  it('gets a readable problem instead of a compressed response', async () => {
    await leaveUnread(attacker, filling)
    await assertUnread(share - 10_000)
    const { status, headers, body } = await get(
      attacker,
      '/docs/static/swagger-ui.css',
      'Accept-Encoding: br\r\n',
    )
    assert.deepEqual([status, headers['content-encoding'], JSON.parse(body).status], [429, undefined, 429])
  })

  it('shares the bytes of a body that is the same for several of its requests, and only of its own', async () => {
    await leaveUnread(attacker, '/shared')
    await assertUnread(large)
    const second = await leaveUnread(attacker, '/shared')
    await leaveUnread(third, '/shared')
    await eventually(timeoutMs, async () => assert.equal(await server.activeRequests(), 3))
    await assertUnread(2 * large)
    second.resetAndDestroy()
    await eventually(timeoutMs, async () => assert.equal(await server.activeRequests(), 2))
    await assertUnread(2 * large)
  })

  it('pays nothing for responses that are ready after it has reset the connection', async () => {
    const socket = await leaveUnread(attacker, '/late', '/late')
    await eventually(timeoutMs, async () => assert.equal(await server.activeRequests(), 2))
    socket.resetAndDestroy()
    await eventually(timeoutMs, async () => assert.equal(await server.activeRequests(), 0))
    server.respondLate()
    assert.equal((await get(attacker, '/health')).status, 200)
    await assertUnread(0)
  })

  it('loses the connection over which it pipelines more requests than its share has room for', async () => {
    await leaveUnread(attacker, `/bytes/${large}`, '/health', '/health')
    await assertUnread(large + 2 * 16_384)
    const [refused = ''] = await server.counted('requests_refused_total')
    const cut = recorded(499)
    // There is room for four behind the first. Preflights are answered before other hooks.
    await leaveUnread(attacker, ...Array.from({ length: 7 }, () => '/health'))
    await eventually(timeoutMs, async () => assert.equal(recorded(499), cut + 7))
    const expected = refused.replace(/\d+$/, (count) => String(Number(count) + 1))
    assert.deepEqual(await server.counted('requests_refused_total'), [expected])
    await assertUnread(large + 2 * 16_384)
  })

  it('keeps others from large responses only while all bytes are in use', async () => {
    for (const client of many) await leaveUnread(client, `/bytes/${large}`)
    await assertUnread(many.length * large)
    const { status, body } = await get(innocent, `/bytes/${large}`)
    assert.deepEqual([status, JSON.parse(body).code], [503, 'unavailable'])
    assert.equal((await get(innocent, '/list')).status, 200)
    assert.equal((await get(innocent, '/bytes/16384')).status, 200)
    await server.closeAll()
    assert.equal((await get(innocent, `/bytes/${large}`)).status, 200)
  })
})

describe('responses that have waited longer than the grace period', async () => {
  const server = await startWithReaders({ evictAfterMs: 0 })
  after(() => server[Symbol.asyncDispose]())

  it('are cut for others when all bytes are in use, the longest waiting first', async () => {
    const { get, leaveUnread, assertUnread, recorded } = server
    const [first, ...others] = many
    const oldest = await leaveUnread(first, `/bytes/${large}`)
    await assertUnread(large)
    for (const client of others) await leaveUnread(client, `/bytes/${large}`)
    await assertUnread(many.length * large)
    const { status, body } = await get(innocent, `/bytes/${large}`)
    assert.deepEqual([status, body.length], [200, large])
    assert.equal(recorded(499), 1)
    await assertUnread(others.length * large)
    assert.deepEqual(await server.counted('responses_cut_total'), ['responses_cut_total{reason="evicted"} 1'])
    await assert.rejects(readAll(oldest), { code: 'ECONNRESET' })
    await server.closeAll()
  })
})
