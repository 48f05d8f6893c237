import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { spansOf } from '@shop/testing/observability/tracing.ts'
import { printable } from '../../src/http/paths/unmatched-path.ts'
import { startServer } from '../support/http-server.ts'

const startThings = () =>
  startServer({
    routes: async (app) => {
      app.get('/things/:thing_id', async () => 'a thing')
      app.get('/things/top-:n', async () => 'the first things')
      app.put('/things/:thing_id/parts/:part_id', async () => 'a part')
      const config = { stopsAtEndOfInput: true }
      app.get('/files/*', { config }, async (_request, reply) => reply.callNotFound())
    },
  })

/** The route and the path in the log line of a request. */
const logged = async (url: string) => {
  await using server = await startThings()
  await server.app.inject(url)
  const line = server.lines.find(({ msg }) => msg === 'request')
  return [line?.['route'], line?.['path']]
}

describe('the log line of a request', () => {
  it('without a route has its path, without the query', async () => {
    assert.deepEqual(await logged('/thinks/7?token=secret'), ['unmatched', '/thinks/7'])
    assert.deepEqual(await logged('/%zz/x'), ['unmatched', '/%zz/x'])
  })

  it('without a route has no values where the path begins like that of a route', async () => {
    assert.deepEqual(await logged('/things/ann@example.com/prats/7'), [
      'unmatched',
      '/things/:thing_id/prats/7',
    ])
    assert.deepEqual(await logged('/things/ann@example.com/parts/7/x'), [
      'unmatched',
      '/things/:thing_id/parts/:part_id/x',
    ])
    assert.deepEqual(await logged('//things//ann@example.com'), ['unmatched', '//things//:thing_id'])
  })

  it('has no route either if the route passes the request on to that for unknown paths', async () => {
    assert.deepEqual(await logged('/files/no.css'), ['unmatched', '/files/*'])
  })

  it('with a route has no path, which may contain a user id', async () => {
    assert.deepEqual(await logged('/things/ann@example.com'), ['/things/:thing_id', undefined])
  })

  it('has a path of bounded length, in which nothing can control a terminal', async () => {
    assert.equal(printable('/a\u009B2J\u001B[b\u007F"'), '/a%9B2J%1B[b%7F"')
    const [, path] = await logged(`/${'x'.repeat(2_000)}`)
    assert.equal(path, `/${'x'.repeat(255)}…`)
  })
})

describe('the span of a request', () => {
  it('has the path only without a route', async () => {
    const spans = await spansOf(async () => {
      await using server = await startThings()
      for (const url of ['/things/ann@example.com', '/thinks/7?q=1', '/things/bob/x'])
        await server.app.inject(url)
    })
    assert.deepEqual(
      spans.map(({ attributes }) => attributes['url.path']),
      [undefined, '/thinks/7', '/things/:thing_id/x'],
    )
  })
})
