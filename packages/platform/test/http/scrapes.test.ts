import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { Gauge } from '@prometheus-io/client'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'

const timeoutMs = 20_000

describe('scrapes at the same time', async () => {
  const server = await startServer()
  after(() => server[Symbol.asyncDispose]())
  let value = 1
  let collections = 0
  const pending = Promise.withResolvers<void>()
  server.metrics.registry.registerMetric(
    new Gauge({
      name: 'tested',
      help: 'Read when the collection begins, and reported when it ends',
      registers: [],
      async collect() {
        collections += 1
        const read = value
        await pending.promise
        this.set(read)
      },
    }),
  )
  const scrape = async (headers: Record<string, string> = {}) => {
    const response = await server.app.inject({ url: '/metrics', headers })
    assert.equal(response.statusCode, 200)
    return response
  }
  const testedIn = ({ body }: Readonly<{ body: string }>) => /^tested\S* (\d+)$/m.exec(body)?.[1]
  const collecting = (expected: number) =>
    eventually(timeoutMs, async () => assert.equal(collections, expected))

  it('share one; those that come while it runs share the next, with values from after they came', async () => {
    const first = scrape()
    await collecting(1)
    value = 2
    const others = Array.from({ length: 31 }, () => scrape())
    pending.resolve()
    assert.equal(testedIn(await first), '1')
    assert.deepEqual(new Set((await Promise.all(others)).map(testedIn)), new Set(['2']))
    assert.equal(collections, 2)
  })

  it('of different formats do not share', async () => {
    const responses = await Promise.all([scrape(), scrape({ accept: 'application/openmetrics-text' })])
    assert.deepEqual(
      responses.map(({ headers, body }) => [headers['content-type'], body.endsWith('# EOF\n')]),
      [
        ['text/plain; version=0.0.4; charset=utf-8', false],
        ['application/openmetrics-text; version=1.0.0; charset=utf-8', true],
      ],
    )
  })

  it('share the compressed body', async () => {
    const before = collections
    const compressed = await Promise.all(
      Array.from({ length: 8 }, () => scrape({ 'accept-encoding': 'gzip' })),
    )
    assert.equal(collections, before + 1)
    // The header of gzip and its content are the same; another run has other values.
    assert.equal(new Set(compressed.map(({ rawPayload }) => rawPayload.toString('latin1'))).size, 1)
  })
})
