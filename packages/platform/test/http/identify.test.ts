import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { unauthenticated } from '@shop/kernel/policy.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import { contextOf } from '../../src/http/context.ts'
import { startServer } from '../support/http-server.ts'

const ann: Principal = { kind: 'user', subject: 'ann', scopes: new Set() }

/** Sends a request with credentials to a server that finds its callers by `identify`. */
const send = async (identify?: () => Promise<Principal>, url = '/whoami') => {
  const seen: Principal[] = []
  await using server = await startServer({
    ...(identify && { identity: { identify } }),
    routes: async (app) => {
      app.get('/whoami', (request) => {
        seen.push(contextOf(request).principal)
        return {}
      })
    },
  })
  const { statusCode, body } = await server.app.inject({ url, headers: { authorization: 'Bearer secret' } })
  return { statusCode, body, seen, lines: server.lines }
}

describe('a request whose caller takes a while to find', () => {
  it('is handled when the caller is known', async () => {
    const { statusCode, seen } = await send(async () => ann)
    assert.deepEqual([statusCode, seen], [200, [ann]])
  })

  for (const [error, expected] of [
    [unauthenticated('the token has expired'), 401],
    [new AppError('unavailable', 'try again later'), 503],
    [new AppError('rate_limited', 'too many', { retryAfterSeconds: 42 }), 429],
    [new Error('secret'), 500],
  ] as const)
    it(`is a ${expected}, and not handled, if that fails with: ${error.message}`, async () => {
      const { statusCode, body, seen, lines } = await send(() => Promise.reject(error))
      assert.deepEqual([statusCode, seen], [expected, []])
      assert.doesNotMatch(body, /secret/)
      assert.doesNotMatch(JSON.stringify(lines), /Bearer/)
    })

  it('is not asked who sent it if its path is open or unknown', async () => {
    const refuse = () => Promise.reject(unauthenticated('the token has expired'))
    assert.equal((await send(refuse, '/nowhere')).statusCode, 404)
    assert.equal((await send(refuse, '/health/live')).statusCode, 200)
  })
})

it('the failures of a request count against its client, which only a trusted proxy names', async () => {
  const clients: unknown[] = []
  await using server = await startServer({
    identity: {
      identify: (_authorization, client) => {
        clients.push(client)
        return ann
      },
    },
    config: { trustProxy: '10.0.0.0/8' },
    routes: async (app) => {
      app.get('/whoami', () => ({}))
    },
  })
  for (const [remoteAddress, forwardedFor] of [
    ['203.0.113.7', '203.0.113.99'],
    ['10.0.0.1', '203.0.113.99'],
    ['10.0.0.1', undefined],
    ['2001:db8::1', undefined],
  ] as const)
    await server.app.inject({
      url: '/whoami',
      remoteAddress,
      headers: { authorization: 'Bearer secret', ...(forwardedFor && { 'x-forwarded-for': forwardedFor }) },
    })
  assert.deepEqual(clients, ['203.0.113.7', '203.0.113.99', undefined, '2001:db8:0:0::/64'])
})

it('repeated credentials are refused, whatever they are, and count as a failure', async () => {
  const seen: unknown[] = []
  await using server = await startServer({
    identity: {
      identify: (authorization) => {
        seen.push(authorization)
        if (seen.length === 1) throw unauthenticated('the scheme must be Bearer')
        if (seen.length === 2) throw new AppError('rate_limited', 'too many failures')
        return ann
      },
    },
    routes: async (app) => {
      app.get('/whoami', () => ({}))
    },
  })
  const port = await server.listen(0, '127.0.0.1')
  const sendTwice = async () => {
    const headers = ['host', 'localhost', 'authorization', 'Bearer ann', 'authorization', 'Bearer ben']
    const sent = get({ host: '127.0.0.1', port, path: '/whoami', headers })
    const [response]: IncomingMessage[] = await once(sent, 'response')
    assert.ok(response)
    return [response.statusCode, JSON.parse(await text(response)).detail]
  }
  const repeated = [401, 'the request must not have more than one Authorization header']
  assert.deepEqual(
    [await sendTwice(), await sendTwice(), await sendTwice()],
    [repeated, [429, 'too many failures'], repeated],
  )
  assert.doesNotMatch(seen.join(), /ann|ben/)
})

it('without identity, credentials are ignored and everybody may do everything', async () => {
  assert.deepEqual((await send(undefined)).seen, [{ kind: 'unrestricted' }])
})
