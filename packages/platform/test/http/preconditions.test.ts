import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Expected } from '@shop/kernel/expectation.ts'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import { preconditions, tagged } from '../../src/http/preconditions.ts'
import { startServer } from '../support/http-server.ts'

type State = Readonly<{ version: number }>
const stateOf = (tag: string): State | undefined => {
  const [, version] = /^"(\d+)"$/.exec(tag) ?? []
  return version === undefined ? undefined : { version: Number(version) }
}

describe('a conditional request', async () => {
  const expected: Expected<State>[] = []
  const server = await startServer({
    routes: async (app) => {
      app.get('/thing', (request, reply) => tagged(request, reply, '"7"', () => ({ version: 7 })))
      app.put('/thing', (request, reply) => {
        expected.push(preconditions(request, stateOf))
        return reply.send({})
      })
    },
  })
  after(() => server[Symbol.asyncDispose]())

  const sendPut = (headers: Record<string, string>) =>
    server.app.inject({ method: 'PUT', url: '/thing', headers })
  const expectedBy = async (headers: Record<string, string>) => {
    await sendPut(headers)
    return expected.pop()
  }
  const read = (header: string) => server.app.inject({ url: '/thing', headers: { 'if-none-match': header } })

  it('accepts any state without If-Match, and requires an existing one with *', async () => {
    assert.equal(await expectedBy({}), 'anything')
    for (const header of ['*', ' * ']) assert.equal(await expectedBy({ 'if-match': header }), 'existing')
  })

  /** Lists of entity tags, with the versions of those that are ours. */
  const lists: readonly (readonly [header: string, versions: readonly number[]])[] = [
    ['"7"', [7]],
    [' "7" ', [7]],
    ['"6", "7"', [6, 7]],
    ['"6" , "7" ,"8"', [6, 7, 8]],
    [', "7",, ', [7]],
    ['"a,b", "7"', [7]],
    ['"6,7"', []],
    ['"", "x", "\u00ff", "\\", "7"', [7]],
    // Made weak by a proxy that compresses, such as nginx.
    ['W/"7"', [7]],
    ['"6",W/"7"', [6, 7]],
    // Changed by Apache, Caddy or Jetty.
    ['"7-gzip"', [7]],
    ['W/"7-br", "6--gzip", "5-zstd", "4-deflate"', [7, 6, 5, 4]],
    ['"7-gzip-gzip", "7gzip", "7-", "7-x"', []],
    ['', []],
  ]
  const malformed = [
    '7',
    'x',
    '"7',
    '7"',
    'x"7"',
    '"7"x',
    '"6" "7"',
    'w/"7"',
    'W/ "7"',
    '*, "7"',
    '"7", *',
    '"7"-gzip',
    '"7", x',
  ]

  it('requires one of the states whose ETags If-Match lists, strong or weak', async () => {
    for (const [header, versions] of lists)
      assert.deepEqual(
        await expectedBy({ 'if-match': header }),
        versions.map((version) => ({ version })),
        header,
      )
  })

  it('never holds if If-Match is malformed', async () => {
    for (const header of malformed) assert.deepEqual(await expectedBy({ 'if-match': header }), [], header)
  })

  it('requires none of the states whose ETags If-None-Match lists on a write, and no stored one with *', async () => {
    assert.deepEqual(await expectedBy({ 'if-none-match': '*' }), { not: 'existing' })
    for (const [header, versions] of lists)
      assert.deepEqual(
        await expectedBy({ 'if-none-match': header }),
        { not: versions.map((version) => ({ version })) },
        header,
      )
  })

  it('combines If-Match and If-None-Match', async () => {
    assert.deepEqual(await expectedBy({ 'if-match': '"6", "7"', 'if-none-match': '"7"' }), {
      all: [[{ version: 6 }, { version: 7 }], { not: [{ version: 7 }] }],
    })
  })

  it('is answered with 400 if If-None-Match of a write is malformed', async () => {
    for (const header of malformed)
      assertProblem(await sendPut({ 'if-none-match': header }), {
        status: 400,
        code: 'invalid',
        detail: 'If-None-Match must be * or a list of quoted entity tags',
        instance: '/thing',
        errors: [{ path: '/If-None-Match', message: 'must be * or a list of quoted entity tags' }],
      })
    assert.deepEqual(expected, [])
  })

  it('parses long headers in linear time', async () => {
    for (const header of [`${' '.repeat(7_000)}x`, `${', '.repeat(3_500)}x`, `"7"${' ,'.repeat(3_500)}x`]) {
      const start = performance.now()
      assert.deepEqual(await expectedBy({ 'if-match': header }), [])
      assert.ok(performance.now() - start < 2_000)
    }
  })

  it('gets the state and its ETag when If-None-Match is absent', async () => {
    const response = await server.app.inject('/thing')
    assert.deepEqual([response.statusCode, response.json()], [200, { version: 7 }])
    assert.equal(response.headers['etag'], '"7"')
  })

  it('gets an empty 304 when If-None-Match is * or lists the ETag, strong or weak', async () => {
    for (const header of ['"7"', ' "7" ', '"6", "7"', 'W/"7"', '"6",W/"7"', '"7-gzip"', '"a,b", "7"', '*']) {
      const response = await read(header)
      assert.deepEqual(
        [response.statusCode, response.body, response.headers['etag']],
        [304, '', '"7"'],
        header,
      )
    }
  })

  it('gets the state when If-None-Match lists only other ETags', async () => {
    for (const header of ['"6"', '"6", "8"', '"6,"7""', '"77"', '', ...malformed]) {
      const response = await read(header)
      assert.deepEqual([response.statusCode, response.json()], [200, { version: 7 }], header)
    }
  })
})
