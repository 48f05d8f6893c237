import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { spansOf } from '@shop/testing/observability/tracing.ts'
import { startServer } from '../support/http-server.ts'

const openMetrics = { accept: 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3' }
const traceparent = (flags: string) => `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`

const startShop = () =>
  startServer({
    routes: async (app) => void app.get('/things', () => ({})),
    config: { trustProxy: 'loopback' },
  })
type Shop = Awaited<ReturnType<typeof startShop>>

const scrape = async ({ app }: Shop, headers = {}) => {
  const { headers: received, body } = await app.inject({ url: '/metrics', headers })
  const type = String(received['content-type']).split(';')[0]
  // Without values, which change between scrapes, and without exemplars.
  const series = body.split('\n').map((line) => line.replace(/ .*$/, ''))
  // The series of a kind of garbage collection begin with the first one, which may come between two scrapes.
  const isLasting = (line: string) => line !== '' && !/^(#|nodejs_gc_)/.test(line)
  return { type, body, series: series.filter(isLasting) }
}

describe('the metrics', () => {
  it('are text by default and OpenMetrics on request, with the same series', async () => {
    await using shop = await startShop()
    await shop.app.inject('/things')
    await scrape(shop)
    const before = await scrape(shop, { accept: 'text/plain' })
    const open = await scrape(shop, openMetrics)
    const after = await scrape(shop)
    assert.deepEqual([before.type, open.type], ['text/plain', 'application/openmetrics-text'])
    assert.match(open.body, /\n# EOF\n$/)
    assert.ok(before.series.some((name) => name.startsWith('process_cpu_seconds_total{')))
    assert.ok(before.series.every((name) => name.includes('service="test-service"')))
    assert.deepEqual(open.series, before.series)
    assert.deepEqual([after.type, after.series], [before.type, before.series])
  })

  it('link a duration to a sampled trace with an exemplar', async () => {
    let body = ''
    let text = ''
    const spans = await spansOf(async () => {
      await using shop = await startShop()
      await shop.app.inject({ url: '/things', headers: { traceparent: traceparent('00') } })
      assert.doesNotMatch((await scrape(shop, openMetrics)).body, /trace_id/)
      await shop.app.inject({ url: '/things', headers: { traceparent: traceparent('01') } })
      body = (await scrape(shop, openMetrics)).body
      text = (await scrape(shop)).body
    })
    const exemplars = body.split('\n').filter((line) => line.includes('trace_id'))
    assert.equal(exemplars.length, 1)
    const [, labels, seconds, time] =
      /^http_server_request_duration_seconds_bucket\{.*\/things.*\} \d+ # \{(.*)\} ([\d.e-]+) ([\d.]+)$/.exec(
        exemplars[0] ?? '',
      ) ?? []
    assert.equal(labels, `trace_id="${spans[0]?.traceId}",span_id="${spans[0]?.id}"`)
    assert.ok(Number(seconds) > 0)
    assert.ok(Math.abs(Number(time) * 1_000 - Date.now()) < 60_000)
    assert.doesNotMatch(text, /trace_id/)
  })
})
