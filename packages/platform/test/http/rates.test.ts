import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { Type } from 'typebox'
import { contextOf } from '../../src/http/context.ts'
import { startServer } from '../support/http-server.ts'

const principals: Readonly<Record<string, Principal>> = {
  ann: { kind: 'user', subject: 'ann', scopes: new Set() },
  office: { kind: 'machine', name: 'office', scopes: new Set() },
  front: { kind: 'machine', name: 'front', scopes: new Set(['unlimited']) },
}

const identify = (authorization?: string): Principal => {
  if (authorization === undefined) return anonymous
  const principal = principals[authorization]
  if (principal === undefined) throw unauthenticated('the token has expired')
  return principal
}

type Sent = Readonly<{
  method?: 'GET' | 'HEAD' | 'OPTIONS' | 'PUT' | 'DELETE'
  url?: string
  as?: string
  from?: string
  forwardedFor?: string
  payload?: object
  headers?: Record<string, string>
}>

type ServerOptions = NonNullable<Parameters<typeof startServer>[0]>

/** A server that allows two reads and one write, unless others are given. */
const open = async (options: ServerOptions = {}) => {
  const server = await startServer({
    rates: { reads: 2, writes: 1 },
    identity: { identify },
    routes: async (app) => {
      app.get('/things/:id', (request) => ({ limited: contextOf(request).allowance !== undefined }))
      const schema = { body: Type.Object({ size: Type.Integer() }) }
      app.put('/things/:id', { schema }, () => ({}))
    },
    ...options,
  })
  const send = ({
    as,
    from = '192.0.2.1',
    forwardedFor,
    url = '/things/1',
    headers = {},
    ...request
  }: Sent) =>
    server.app.inject({
      method: 'GET',
      url,
      remoteAddress: from,
      headers: {
        ...(as !== undefined && { authorization: as }),
        ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
        ...headers,
      },
      ...request,
    })
  const statuses = async (...requests: Sent[]) => {
    const seen: number[] = []
    for (const request of requests) seen.push((await send(request)).statusCode)
    return seen
  }
  return { ...server, send, statuses }
}

const put = { method: 'PUT', payload: { size: 1 } } as const

describe('the rate limits of a server', () => {
  it('refuse with a problem that tells which limit, and when to try again', async () => {
    await using server = await open()
    const first = await server.send({})
    assert.equal(first.headers['ratelimit-policy'], '"reads";q=2;w=60')
    assert.equal(first.headers['ratelimit'], '"reads";r=1;t=60')
    assert.equal((await server.send({})).headers['ratelimit'], '"reads";r=0;t=60')

    const refused = await server.send({})
    const { request_id: _, ...problem } = refused.json()
    assert.deepEqual(problem, {
      type: 'about:blank',
      title: 'Too Many Requests',
      status: 429,
      detail: 'more than 2 reads within 60 s, try again in 60 s',
      code: 'rate_limited',
      instance: '/things/1',
    })
    const { headers } = refused
    assert.equal(headers['ratelimit'], `"reads";r=0;t=${headers['retry-after']}`)
    assert.equal(headers['ratelimit-policy'], '"reads";q=2;w=60')
    assert.match(String(headers['access-control-expose-headers']), /RateLimit, RateLimit-Policy/)
    const metrics = await server.metrics.registry.metrics()
    assert.match(metrics, /requests_refused_total\{.*reason="rate_reads",scope="client".*\} 1/)
    assert.match(metrics, /requests_refused_total\{.*reason="rate_writes",scope="client".*\} 0/)
  })

  it('allow everything again after the time in Retry-After', async () => {
    await using server = await open({ rates: { reads: 1, writes: undefined, windowSeconds: 1 } })
    await server.send({})
    const { statusCode, headers } = await server.send({})
    assert.equal(statusCode, 429)
    await delay(Number(headers['retry-after']) * 1_000)
    assert.equal((await server.send({})).statusCode, 200)
  })

  it('are apart for reads and writes, and for each caller, known by credentials or address', async () => {
    await using server = await open()
    const { statuses } = server
    assert.deepEqual(await statuses({}, put, { method: 'HEAD' }, put, {}), [200, 200, 200, 429, 429])
    for (const caller of [{ as: 'ann' }, { as: 'office' }, { from: '192.0.2.2' }])
      assert.deepEqual(await statuses(caller, { ...caller, from: '192.0.2.9' }, caller), [
        200,
        200,
        caller.as === undefined ? 200 : 429,
      ])
    const host = (last: number) => ({ from: `2001:db8::${last}` })
    assert.deepEqual(await statuses(host(1), host(2), host(3)), [200, 200, 429])
    assert.deepEqual(await statuses({ from: '2001:db8:0:1::1' }), [200])
  })

  it('count requests that are invalid, for unknown paths or with other methods', async () => {
    await using server = await open({ rates: { reads: 3, writes: 2 } })
    const invalid = { ...put, payload: { size: 'large' } }
    assert.deepEqual(await server.statuses(invalid, { method: 'DELETE' }, invalid), [400, 405, 429])
    const unknown = { url: '/nowhere' }
    assert.deepEqual(await server.statuses(unknown, unknown, { url: '/docs' }, unknown), [404, 404, 200, 429])
  })

  it('are not for health, metrics and OPTIONS, nor for callers with the scope unlimited', async () => {
    await using server = await open({ rates: { reads: 1, writes: 1 } })
    await server.send({})
    for (const request of [
      { url: '/health' },
      { url: '/health/live' },
      { url: '/metrics' },
      {
        method: 'OPTIONS',
        headers: { origin: 'https://shop.example', 'access-control-request-method': 'PUT' },
      },
      { as: 'front' },
    ] as const)
      for (let count = 0; count < 3; count++) {
        const { statusCode, headers } = await server.send(request)
        assert.ok(statusCode < 300)
        assert.equal(headers['ratelimit'], undefined)
      }
    assert.deepEqual((await server.send({ as: 'front' })).json(), { limited: false })
  })

  it('do not believe X-Forwarded-For of a stranger, but of a trusted proxy', async () => {
    const requests = ['203.0.113.1', '203.0.113.2', '203.0.113.3'].map((forwardedFor) => ({ forwardedFor }))
    await using untrusting = await open()
    assert.deepEqual(await untrusting.statuses(...requests), [200, 200, 429])
    await using trusting = await open({ config: { trustProxy: '192.0.2.0/24' } })
    assert.deepEqual(await trusting.statuses(...requests, ...requests), [200, 200, 200, 200, 200, 200])
    assert.deepEqual(await trusting.statuses(...requests), [429, 429, 429])
    assert.deepEqual(await trusting.statuses({}, {}, {}), [200, 200, 200])
  })

  it('are those of everybody by address while nobody is asked who they are', async () => {
    await using server = await startServer({ rates: { reads: 1, writes: undefined } })
    const send = (from: string) => server.app.inject({ url: '/docs', remoteAddress: from })
    assert.equal((await send('192.0.2.1')).statusCode, 200)
    assert.equal((await send('192.0.2.1')).statusCode, 429)
    assert.equal((await send('192.0.2.2')).statusCode, 200)
  })

  it('are off without a quota', async () => {
    await using server = await open({ rates: { reads: undefined, writes: 1 } })
    assert.deepEqual(await server.statuses({}, {}, {}, put, put), [200, 200, 200, 200, 429])
    assert.equal((await server.send({})).headers['ratelimit'], undefined)
  })
})

describe('a guest', () => {
  const guestOf: ServerOptions['guestOf'] = ({ params }) => {
    const { id } = params as Readonly<{ id?: string }>
    return id?.startsWith('guest') ? id : undefined
  }
  const read = (guest: string, as?: string) => ({ url: `/things/${guest}`, ...(as && { as }) })

  it('has a limit of its own, and those of one address have ten times as much together', async () => {
    await using server = await open({ rates: { reads: 2, writes: 1 }, guestOf })
    const { send, statuses } = server
    for (let guest = 0; guest < 10; guest++)
      assert.deepEqual(await statuses(...[1, 2, 3].map(() => read(`guest${guest}`))), [200, 200, 429])
    const refused = await send(read('guest10'))
    assert.equal(refused.statusCode, 429)
    assert.match(refused.json().detail, /^more than 20 reads of guests at your address within 60 s/)
    assert.equal(refused.headers['ratelimit-policy'], '"guest_reads";q=20;w=60')
    assert.deepEqual(await statuses(read('1'), { ...read('guest10'), from: '192.0.2.2' }), [200, 200])
    assert.doesNotMatch(JSON.stringify(server.lines), /rate/)
  })

  it('with credentials uses the limit of these', async () => {
    await using server = await open({ guestOf })
    const requests = [1, 2, 3].map((guest) => read(`guest${guest}`, 'ann'))
    assert.deepEqual(await server.statuses(...requests), [200, 200, 429])
  })
})
