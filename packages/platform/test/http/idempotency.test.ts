import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Context } from '@shop/kernel/context.ts'
import { type Static, Type } from 'typebox'
import { keyedContextOf } from '../../src/http/idempotency.ts'
import { problems } from '../../src/http/problem.ts'
import { fingerprintOf } from '../../src/idempotency/keys.ts'
import { startServer } from '../support/http-server.ts'
import { listen, parseResponse, readAll } from '../support/raw-http.ts'

const Anything = Type.Unsafe<unknown>({})
/** A later release may have a default for another member. */
const WithDefaults = Type.Object({ known: Type.Optional(Type.String({ default: '' })) })
const Params = Type.Object({ id: Type.String() })

/** Starts a server whose writes tell what key they have. `?replay` makes them replays. */
const startThings = (seen: Context[]) =>
  startServer({
    routes: async (app) => {
      for (const [url, body] of [
        ['/things/:id', Anything],
        ['/others/:id', Anything],
        ['/defaults/:id', WithDefaults],
      ] as const)
        for (const method of ['PUT', 'PATCH'] as const)
          app.route<{ Body: unknown; Params: Static<typeof Params>; Querystring: { replay?: string } }>({
            method,
            url,
            schema: {
              operationId: `${method}${url}`,
              params: Params,
              body,
              response: { 200: Type.Object({}), ...problems(400, 422) },
            },
            handler: async (request, reply) => {
              const context = keyedContextOf(request, reply)
              seen.push(context)
              if (request.query.replay !== undefined) context.idempotency?.markReplayed()
              return {}
            },
          })
    },
  })

describe('Idempotency-Key', () => {
  const seen: Context[] = []
  let server: Awaited<ReturnType<typeof startThings>>
  let open: Awaited<ReturnType<typeof listen>>
  before(async () => {
    server = await startThings(seen)
    open = await listen(server.app)
  })
  after(() => server[Symbol.asyncDispose]())

  /** Sends the request with these header lines, byte by byte as given. */
  const sendRaw = async (lines: readonly string[], body = '{}', target = 'PUT /things/1') => {
    const head = ['Host: test', 'Connection: close', 'Content-Type: application/json', ...lines]
    const socket = await open()
    const length = `Content-Length: ${Buffer.byteLength(body)}`
    socket.write(`${target} HTTP/1.1\r\n${[...head, length].join('\r\n')}\r\n\r\n`, 'latin1')
    socket.write(body)
    return parseResponse(await readAll(socket))
  }

  const keyOf = async (...lines: string[]) => {
    assert.equal((await sendRaw(lines)).status, 200, lines.join())
    return seen.pop()?.idempotency
  }

  it('is a hash in the context, the same with and without quotes, whatever the case of its name', async () => {
    assert.equal(await keyOf(), undefined)
    const bare = await keyOf('Idempotency-Key: a,b c')
    assert.match(String(bare?.key), /^[\w-]{16}$/)
    for (const line of [
      'idempotency-key: "a,b c"',
      'IDEMPOTENCY-KEY:   a,b c  ',
      'Idempotency-Key:\t"a,b c"\t',
    ])
      assert.equal((await keyOf(line))?.key, bare?.key)
    assert.notEqual((await keyOf('Idempotency-Key: A,b c'))?.key, bare?.key)
    assert.notEqual((await keyOf('Idempotency-Key: a\\'))?.key, (await keyOf('Idempotency-Key: "a\\""'))?.key)
    await keyOf(`Idempotency-Key: ${'x'.repeat(255)}`)
  })

  it('that is empty, too long, quoted wrongly, or not of printable ASCII is a 400, and no use case runs', async () => {
    const longer = 'x'.repeat(256)
    const calls = seen.length
    for (const value of [
      '',
      '   ',
      '""',
      longer,
      `"${longer}"`,
      '"a',
      'a"',
      '"a" x',
      'caf\xe9',
      'a\tb',
      '\x80',
    ]) {
      const { status, body } = await sendRaw([`Idempotency-Key: ${value}`])
      const { code, errors } = JSON.parse(body)
      assert.deepEqual([status, code, errors[0].path], [400, 'invalid', '/Idempotency-Key'], value)
      assert.match(errors[0].message, /^must have 1 to 255 printable ASCII characters/)
    }
    for (const control of ['\x00', '\x01', '\x7f', '\r', '\n'])
      assert.equal((await sendRaw([`Idempotency-Key: a${control}b`])).status, 400)
    assert.equal(seen.length, calls)
  })

  it('that is sent twice is a 400, also if both are the same', async () => {
    const calls = seen.length
    for (const [one, other] of [
      ['a', 'b'],
      ['a', 'a'],
      ['"a"', '"a"'],
      ['', 'a'],
      ['a', ''],
      ['"a', 'b"'],
    ] as const) {
      const { status, body } = await sendRaw([`Idempotency-Key: ${one}`, `idempotency-key: ${other}`])
      assert.deepEqual(
        [status, JSON.parse(body).errors[0].path],
        [400, '/Idempotency-Key'],
        `${one} ${other}`,
      )
    }
    assert.equal(seen.length, calls)
  })

  const printOf = async (body: string, target?: string, ...lines: string[]) => {
    const { status } = await sendRaw(['Idempotency-Key: a', ...lines], body, target)
    assert.equal(status, 200, body)
    return String(seen.pop()?.idempotency?.fingerprint)
  }

  it('has a fingerprint of method, route, path and body; white space, order and headers do not count', async () => {
    const first = await printOf('{"a":1,"b":[1,{"c":2,"d":3}]}')
    assert.equal(await printOf(' { "b" : [ 1, {"d":3,\r\n"c":2} ], "a": 1.0 } '), first)
    assert.equal(await printOf('{"a":1,"b":[1,{"c":2,"d":3}]}', 'PUT /things/1?x=1', 'If-Match: "1"'), first)
    assert.equal(await printOf('{"a":1,"b":[1,{"c":2,"d":3}]}', 'PUT /things/%31'), first)
    const others = [
      await printOf('{"a":2,"b":[1,{"c":2,"d":3}]}'),
      await printOf('{"a":1,"b":[{"c":2,"d":3},1]}'),
      await printOf('{"a":1,"b":[1,{"c":2,"d":3}]}', 'PUT /things/2'),
      await printOf('{"a":1,"b":[1,{"c":2,"d":3}]}', 'PATCH /things/1'),
      await printOf('{"a":1,"b":[1,{"c":2,"d":3}]}', 'PUT /others/1'),
      first,
    ]
    assert.equal(new Set(others).size, others.length)
  })

  it('has a fingerprint of the body as it was sent, without the defaults: another release may have others', async () => {
    const path = 'PUT /defaults/1'
    const sent = await printOf('{}', path)
    assert.equal(sent, fingerprintOf('PUT /defaults/:id', { id: '1' }, {}))
    assert.notEqual(await printOf('{"known":""}', path), sent)
  })

  it('of a body that is nested too deeply for its fingerprint is a 400', async () => {
    const depth = 30_000
    const { status, body } = await sendRaw(['Idempotency-Key: a'], '['.repeat(depth) + ']'.repeat(depth))
    assert.deepEqual([status, JSON.parse(body).code], [400, 'invalid'], body.slice(0, 300))
  })

  it('of a replay is said in Idempotent-Replayed, and only then', async () => {
    const replayed = async (target: string, ...lines: string[]) =>
      (await sendRaw(lines, '{}', target)).headers['idempotent-replayed']
    assert.equal(await replayed('PUT /things/1?replay', 'Idempotency-Key: a'), 'true')
    assert.equal(await replayed('PUT /things/1', 'Idempotency-Key: a'), undefined)
    assert.equal(await replayed('PUT /things/1?replay'), undefined)
  })

  it('is in the OpenAPI document where a response 422 is', async () => {
    const { paths, components } = (await server.app.inject('/openapi.json')).json()
    const { parameters, responses } = paths['/things/{id}'].put
    assert.ok(
      parameters.some(({ $ref }: { $ref?: string }) => $ref === '#/components/parameters/IdempotencyKey'),
    )
    assert.deepEqual(
      Object.keys(responses).filter((status) => 'Idempotent-Replayed' in responses[status].headers),
      ['200'],
    )
    assert.equal(components.parameters.IdempotencyKey.name, 'Idempotency-Key')
  })
})
