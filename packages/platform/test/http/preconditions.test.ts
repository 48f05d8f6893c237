import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Expected } from '@shop/kernel/expectation.ts'
import { ifMatch, sendTagged } from '../../src/http/preconditions.ts'
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
      app.get('/thing', (request, reply) => sendTagged(request, reply, '"7"', () => ({ version: 7 })))
      app.put('/thing', (request, reply) => {
        expected.push(ifMatch(request, stateOf))
        return reply.send({})
      })
    },
  })
  after(() => server[Symbol.asyncDispose]())

  const expectedBy = async (header: string | undefined) => {
    const headers: Record<string, string> = header === undefined ? {} : { 'if-match': header }
    await server.app.inject({ method: 'PUT', url: '/thing', headers })
    return expected.pop()
  }
  const read = (header: string) => server.app.inject({ url: '/thing', headers: { 'if-none-match': header } })

  it('accepts any state without If-Match, and requires an existing one with *', async () => {
    assert.equal(await expectedBy(undefined), 'anything')
    for (const header of ['*', ' * ']) assert.equal(await expectedBy(header), 'existing')
  })

  it('requires one of the states whose strong ETags If-Match lists', async () => {
    for (const [header, versions] of [
      ['"7"', [7]],
      [' "7" ', [7]],
      ['"6", "7"', [6, 7]],
      ['"6" , "7" , "8"', [6, 7, 8]],
    ] as const)
      assert.deepEqual(
        await expectedBy(header),
        versions.map((version) => ({ version })),
        header,
      )
  })

  it('ignores weak and unknown ETags in If-Match; if no others are listed, the precondition never holds', async () => {
    for (const header of ['7', '""', '', 'W/"7"', '"x"', '"7'])
      assert.deepEqual(await expectedBy(header), [], header)
    assert.deepEqual(await expectedBy('"6", W/"7"'), [{ version: 6 }])
  })

  it('gets the state and its ETag when If-None-Match is absent', async () => {
    const response = await server.app.inject('/thing')
    assert.deepEqual([response.statusCode, response.json()], [200, { version: 7 }])
    assert.equal(response.headers['etag'], '"7"')
  })

  it('gets an empty 304 when If-None-Match is * or lists the ETag, strong or weak', async () => {
    for (const header of ['"7"', ' "7" ', '"6", "7"', 'W/"7"', '"6",W/"7"', '*']) {
      const response = await read(header)
      assert.deepEqual(
        [response.statusCode, response.body, response.headers['etag']],
        [304, '', '"7"'],
        header,
      )
    }
  })

  it('gets the state when If-None-Match lists only other ETags', async () => {
    for (const header of ['"6"', '"6", "8"', '7', '"77"', '']) {
      const response = await read(header)
      assert.deepEqual([response.statusCode, response.json()], [200, { version: 7 }], header)
    }
  })
})
