import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { spansOf } from '@shop/testing/observability/tracing.ts'
import { startServer } from '../support/http-server.ts'

const startThings = () =>
  startServer({
    isSecretSegment: (segment) => segment.startsWith('key-'),
    routes: async (app) => {
      app.get('/things/:thing_id', async (_request, reply) => reply.callNotFound())
      app.put('/things/:thing_id/parts', async () => {
        throw new TypeError('a bug')
      })
    },
  })

/** Sends the request, and returns the `instance` of its problem and the path in its log line. */
const shown = async (url: string, method: 'GET' | 'PUT' = 'GET') => {
  await using server = await startThings()
  const { instance } = (await server.app.inject({ method, url })).json()
  const line = server.lines.find(({ msg }) => msg === 'request')
  return [instance, line?.['path']]
}

describe('a secret segment of a path', () => {
  it('is masked in problems of routes and of unknown paths', async () => {
    assert.deepEqual(await shown('/things/key-1'), ['/things/***', '/things/:thing_id'])
    assert.deepEqual(await shown('/things/key-1/parts', 'PUT'), ['/things/***/parts', undefined])
    assert.deepEqual(await shown('/things/key-1/prats'), ['/things/***/prats', '/things/:thing_id/prats'])
    assert.deepEqual(await shown('/things/key-1/parts'), ['/things/***/parts', undefined])
  })

  it('is masked in the log at every position of an unknown path', async () => {
    assert.deepEqual(await shown('/key-1'), ['/***', '/***'])
    assert.deepEqual(await shown('//thongs//key-1/?x=key-2'), ['//thongs//***/', '//thongs//***/'])
    assert.deepEqual(await shown('http://key-1/key-2'), ['/***', '/***'])
  })

  it('is found however it is encoded, and behind encoded slashes', async () => {
    for (const segment of [
      '%6bey-1',
      '%6B%65y%2d1',
      '%256bey-1',
      '%2525256bey-1',
      'x%2Fkey-1',
      'x%252Fkey-1',
    ])
      assert.deepEqual(await shown(`/${segment}/x`), ['/***/x', '/***/x'])
    assert.deepEqual(await shown('/key-1%zz/%'), ['/***/%', '/***/%'])
  })

  it('does not change other paths', async () => {
    assert.deepEqual(await shown('/a%2Fb/a-key-1/%zz'), ['/a%2Fb/a-key-1/%zz', '/a%2Fb/a-key-1/%zz'])
  })

  it('is not shown at the end of a long path either, where the path is cut', async () => {
    const [instance] = await shown(`/${'x/'.repeat(1_022)}key-1/key-2`)
    assert.equal(instance, `/${'x/'.repeat(1_022)}***`)
    const [slow] = await shown(`/${'%25'.repeat(2_000)}`)
    assert.equal(slow, '/***')
  })

  it('is masked in the span of an unknown path', async () => {
    const spans = await spansOf(async () => {
      await using server = await startThings()
      await server.app.inject('/thongs/%6bey-1')
    })
    assert.deepEqual(
      spans.map(({ attributes }) => attributes['url.path']),
      ['/thongs/***'],
    )
  })
})
