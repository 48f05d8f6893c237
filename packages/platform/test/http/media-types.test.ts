import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import { acceptJson } from '../../src/http/json-bodies.ts'
import { startServer } from '../support/http-server.ts'

const problem = { status: 415, code: 'unsupported_media_type', instance: '/things' }

describe('a 415 response', async () => {
  const server = await startServer({
    routes: async (app) => {
      app.post('/things', async ({ body }) => ({ body }))
      app.put('/things', async ({ body }) => ({ body }))
      app.delete('/things', async () => ({}))
      await app.register(async (scope) => {
        acceptJson(scope, 'application/merge-patch+json')
        scope.patch('/things', async ({ body }) => ({ body }))
      })
    },
  })
  after(() => server[Symbol.asyncDispose]())
  const send = (method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', headers: Record<string, string>) =>
    server.app.inject({ method, url: '/things', payload: '{}', headers })
  const acceptHeaders = ['accept', 'accept-post', 'accept-patch', 'accept-encoding']

  for (const [method, header, mediaTypes] of [
    ['POST', 'accept-post', ['application/json']],
    ['PUT', 'accept', ['application/json']],
    ['DELETE', 'accept', ['application/json']],
    ['PATCH', 'accept-patch', ['application/merge-patch+json', 'application/json']],
  ] as const)
    it(`to ${method} names the media types that the route accepts in its text and in ${header}`, async () => {
      for (const type of ['text/plain', 'nonsense', 'application/xml; charset=utf-8', '']) {
        const response = await send(method, { 'content-type': type })
        assertProblem(response, {
          ...problem,
          detail: `unsupported media type; send ${mediaTypes.join(' or ')}`,
        })
        const sent = acceptHeaders.filter((name) => response.headers[name] !== undefined)
        assert.deepEqual(sent, [header])
        assert.equal(response.headers[header], mediaTypes.join(', '))
      }
      for (const type of mediaTypes)
        assert.equal((await send(method, { 'content-type': type })).statusCode, 200)
    })

  it('to a compressed body says that only identity is accepted', async () => {
    for (const coding of ['gzip', 'br', 'x-gzip', 'identity, gzip', 'GZIP', ',gzip', 'nonsense']) {
      const response = await send('POST', { 'content-type': 'application/json', 'content-encoding': coding })
      assertProblem(response, {
        ...problem,
        detail: 'unsupported content coding; send the body uncompressed',
      })
      const sent = acceptHeaders.filter((name) => response.headers[name] !== undefined)
      assert.deepEqual(sent, ['accept-encoding'])
      assert.equal(response.headers['accept-encoding'], 'identity')
    }
  })

  it('is not sent for a body whose content codings are all identity, in any case', async () => {
    for (const coding of ['', 'identity', 'IDENTITY', 'Identity', 'identity, identity', ' , identity'])
      assert.equal(
        (await send('POST', { 'content-type': 'application/json', 'content-encoding': coding })).statusCode,
        200,
        coding,
      )
  })

  it('is not sent for a compressed body of a method that the path does not have, or of an unknown path', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const to = (url: string) => server.app.inject({ method: 'POST', url, payload: 'x', headers })
    assert.equal((await to('/health')).statusCode, 405)
    assert.equal((await to('/nothing')).statusCode, 404)
  })
})
