import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import { ifMatch, sendTagged } from '../../src/http/preconditions.ts'
import { startServer } from '../support/http-server.ts'

type Stored = Readonly<{ version: number }>
const tagOf = ({ version }: Stored) => `"${version}"`

describe('a conditional request', async () => {
  let stored: Stored | undefined
  const server = await startServer({
    routes: async (app) => {
      app.get('/thing', (request, reply) => sendTagged(request, reply, '"7"', () => ({ version: 7 })))
      app.put('/thing', (request, reply) => {
        ifMatch(request, tagOf)(stored)
        return reply.send({})
      })
    },
  })
  after(() => server[Symbol.asyncDispose]())

  const write = (header: string | undefined, now: Stored | undefined) => {
    stored = now
    const headers: Record<string, string> = header === undefined ? {} : { 'if-match': header }
    return server.app.inject({ method: 'PUT', url: '/thing', headers })
  }
  const read = (header: string) => server.app.inject({ url: '/thing', headers: { 'if-none-match': header } })

  it('writes when If-Match lists the stored ETag, or is *, or is not there', async () => {
    for (const header of ['"7"', ' "7" ', '"6", "7"', '"7","8"', '"6" , "7" , "8"', '*', undefined])
      assert.equal((await write(header, { version: 7 })).statusCode, 200, `If-Match: ${header}`)
    assert.equal((await write(undefined, undefined)).statusCode, 200)
  })

  it('is a 412 when If-Match does not list the stored ETag', async () => {
    for (const header of ['"6"', '"6", "8"', '7', '"77"', '""', '', 'W/"7"', '"6", W/"7"'])
      assertProblem(await write(header, { version: 7 }), {
        status: 412,
        code: 'stale_version',
        detail: 'If-Match does not list the ETag of what is stored now',
        instance: '/thing',
      })
  })

  it('is a 412 when nothing is stored, whatever If-Match says', async () => {
    for (const header of ['"7"', '*']) assert.equal((await write(header, undefined)).statusCode, 412, header)
  })

  it('reads with the ETag', async () => {
    const response = await server.app.inject('/thing')
    assert.deepEqual([response.statusCode, response.json()], [200, { version: 7 }])
    assert.equal(response.headers['etag'], '"7"')
  })

  it('is a 304 without a body when If-None-Match lists the ETag, also as a weak one, or is *', async () => {
    for (const header of ['"7"', ' "7" ', '"6", "7"', 'W/"7"', '"6",W/"7"', '*']) {
      const response = await read(header)
      assert.deepEqual(
        [response.statusCode, response.body, response.headers['etag']],
        [304, '', '"7"'],
        header,
      )
    }
  })

  it('reads anew when If-None-Match lists other ETags', async () => {
    for (const header of ['"6"', '"6", "8"', '7', '"77"', '']) {
      const response = await read(header)
      assert.deepEqual([response.statusCode, response.json()], [200, { version: 7 }], header)
    }
  })
})
