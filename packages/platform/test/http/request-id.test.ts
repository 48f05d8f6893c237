import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay, setImmediate as tick } from 'node:timers/promises'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createLogger } from '../../src/logging/logger.ts'
import { requestContext } from '../../src/request-context.ts'
import { startServer } from '../support/http-server.ts'
import { fileConfig } from '../support/log-config.ts'

const Work = Type.Object({ fail: Type.Boolean() })

/** Requests of `inject` come from 127.0.0.1, too. */
const trusting = { trustProxy: 'loopback' }

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const echo: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/echo', async () => {
    await delay(1)
    return { seen: requestContext.getStore()?.requestId }
  })
}

/** Sends a request. Returns the id in the response, which must be the one that the route saw. */
const send = async (headers: Record<string, string>) => {
  await using server = await startServer({ routes: echo, config: trusting })
  const response = await server.app.inject({ method: 'POST', url: '/echo', headers, payload: {} })
  assert.equal(response.statusCode, 200)
  assert.equal(response.json().seen, response.headers['x-request-id'])
  return String(response.headers['x-request-id'])
}

describe('the request id', () => {
  it('is taken from the request when it has 1 to 128 printable ASCII characters', async () => {
    for (const id of [
      'a',
      'req-1',
      'two words',
      'a,  b',
      `a${' '.repeat(126)}b`,
      'A'.repeat(128),
      '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
    ])
      assert.equal(await send({ 'x-request-id': id }), id)
  })

  it('does not include the spaces and tabs around it', async () => {
    for (const text of [' my id ', '\tmy id', `my id${' '.repeat(10_000)}`])
      assert.equal(await send({ 'x-request-id': text }), 'my id')
  })

  it('is generated when the request has none or an invalid one', async () => {
    assert.match(await send({}), uuid)
    for (const id of [
      '',
      ' ',
      'A'.repeat(129),
      `a${' '.repeat(127)}b`,
      'tab\tbed',
      'žluť',
      '\xa0a',
      '\x7f',
      '\x1b[31m',
    ])
      assert.match(await send({ 'x-request-id': id }), uuid)
    assert.notEqual(await send({}), await send({}))
  })

  it('is in every kind of response', async () => {
    await using server = await startServer({ routes: echo, config: trusting })
    const headers = { 'x-request-id': 'req-1' }
    const requests = [
      ['POST', '/echo'],
      ['GET', '/echo'],
      ['GET', '/nothing'],
      ['GET', '/%zz'],
      ['GET', '/health'],
      ['OPTIONS', '/echo'],
    ] as const
    for (const [method, url] of requests) {
      const response = await server.app.inject({ method, url, headers })
      assert.equal(response.headers['x-request-id'], 'req-1', `${method} ${url}`)
    }
  })

  it('is in every log line of its request, and in no others', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-request-id-'))
    const logger = await createLogger({ service: 'test-service' }, fileConfig(folder.path))
    await using server = await startServer({
      logger,
      config: trusting,
      routes: async (app) => {
        app.post('/work', { schema: { body: Work } }, async ({ body }) => {
          logger.info('begin')
          await delay(5)
          logger.info('end')
          if (body.fail) throw new Error('bug')
          return {}
        })
      },
    })
    const address = await server.app.listen({ host: '127.0.0.1', port: 0 })
    const work = (id: string, fail: boolean) =>
      fetch(`${address}/work`, {
        method: 'POST',
        headers: { 'x-request-id': id, 'content-type': 'application/json' },
        body: JSON.stringify({ fail }),
      })
    await Promise.all([work('req-1', false), work('req-2', true)])
    await tick()

    const [path = 'no file'] = globSync(`${folder.path}/*`)
    const lines = readFileSync(path, 'utf8').trim().split('\n')
    const messagesOf = (id: string) =>
      lines
        .filter((line) => line.split(`"request_id":"${id}"`).length === 2)
        .map((line) => JSON.parse(line).msg)
    assert.deepEqual(messagesOf('req-1'), ['begin', 'end', 'request'])
    assert.deepEqual(messagesOf('req-2'), ['begin', 'end', 'request failed', 'request'])
    assert.ok(
      lines.every((line) => line.split('"req-').length <= 2),
      'no line has two request ids',
    )
  })
})

it('all requests share one logger, which writes requests without their headers', async () => {
  const loggers = new Set<unknown>()
  await using server = await startServer({
    routes: async (app) =>
      void app.get('/logs', (request) => {
        loggers.add(request.log)
        request.log.info({ req: request }, 'logged')
        return {}
      }),
  })
  for (let count = 0; count < 2; count += 1)
    await server.app.inject({ url: '/logs', headers: { 'x-secret': 'hunter2' } })
  assert.equal(loggers.size, 1)
  const lines = server.lines.filter(({ msg }) => msg === 'logged')
  assert.deepEqual(
    lines.map(({ req }) => Object.keys(req as object).slice(0, 2)),
    [
      ['method', 'url'],
      ['method', 'url'],
    ],
  )
  assert.doesNotMatch(JSON.stringify(lines), /hunter2/)
})
