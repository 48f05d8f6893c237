import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import { type Snapshot, Totals } from '../src/totals.ts'

const reportLimitMs = 50

/** The metrics of a worker that has served this many requests. */
const snapshotAfter = async (requests: number): Promise<Snapshot> => {
  const registers = [new Registry()]
  new Counter({ name: 'requests', help: '-', registers }).inc(requests)
  new Gauge({ name: 'connections', help: '-', registers }).set(requests)
  new Counter({ name: 'expired', help: '-', aggregator: 'max', registers }).inc(requests)
  const duration = new Histogram({ name: 'duration', help: '-', buckets: [1], registers })
  for (let count = 0; count < requests; count++) duration.observe(1)
  const [registry] = registers
  // As a message between processes would transfer it.
  return JSON.parse(JSON.stringify(await registry?.getMetricsAsJSON()))
}

/**
 * Creates totals of workers, which are only names here. A worker that is not hung reports the metrics of as many served
 * requests as `requests` contains for it.
 */
const createTotals = (requests: Readonly<Record<string, number>>) => {
  const hung = new Set<string>()
  const requested: string[] = []
  const missing: string[] = []
  const totals = new Totals<string>({
    service: 'test',
    requestReport: (worker) => {
      requested.push(worker)
      if (!hung.has(worker)) void report(worker)
    },
    onMissingReport: (worker) => missing.push(worker),
    reportLimitMs,
  })
  const report = async (worker: string, count = requests[worker] ?? 0) =>
    totals.addReport(worker, await snapshotAfter(count))
  for (const worker of Object.keys(requests)) totals.addWorker(worker)
  return { totals, report, hung, requested, missing }
}

const valuesOf = (text: string): Record<string, number> =>
  Object.fromEntries(
    [...text.matchAll(/^(\w+)(?:\{service="test"\})? (\d+)$/gm)].map(([, name, value]) => [
      name,
      Number(value),
    ]),
  )

const valuesIn = async (totals: Totals<string>) => valuesOf(await totals.text())

describe('the totals of several workers', () => {
  it('add counters, gauges and histograms, and take the maximum of a metric that describes the store', async () => {
    const { totals } = createTotals({ a: 1, b: 2 })
    const expected = {
      requests: 3,
      connections: 3,
      expired: 2,
      duration_sum: 3,
      duration_count: 3,
      workers_not_responding: 0,
    }
    assert.deepEqual(await valuesIn(totals), expected)
  })

  it('keep the counters and histograms of exited workers, but not their gauges', async () => {
    const { totals, report } = createTotals({ a: 1, b: 5, c: 4 })
    for (const worker of ['a', 'b']) {
      await report(worker)
      totals.removeWorker(worker)
    }
    const expected = {
      requests: 10,
      connections: 4,
      expired: 4,
      duration_sum: 10,
      duration_count: 10,
      workers_not_responding: 0,
    }
    assert.deepEqual(await valuesIn(totals), expected)
  })

  it('do not wait for a worker that exits before it reports', async () => {
    const { totals, report, hung, missing } = createTotals({ a: 1, b: 2 })
    await report('a')
    hung.add('a')
    const values = valuesIn(totals)
    totals.removeWorker('a')
    assert.equal((await values)['requests'], 3)
    assert.deepEqual(missing, [])
  })

  it('include the last report of a hung worker, and send it no second request', async () => {
    const { totals, report, hung, requested, missing } = createTotals({ a: 1, b: 2 })
    await report('a')
    hung.add('a')
    for (let scrape = 0; scrape < 2; scrape++) {
      const { requests: total, workers_not_responding: missingNow } = await valuesIn(totals)
      assert.deepEqual([total, missingNow], [3, 1])
    }
    assert.deepEqual(requested, ['a', 'b', 'b'])
    assert.deepEqual(missing, ['a', 'a'])
    hung.delete('a')
    await report('a', 5)
    await totals.text()
    assert.deepEqual(requested, ['a', 'b', 'b', 'a', 'b'])
  })

  it('do not include a worker that is loading or has exited', async () => {
    const { totals, report } = createTotals({ a: 1 })
    await report('loading')
    totals.removeWorker('a')
    await report('a')
    assert.deepEqual(await valuesIn(totals), { workers_not_responding: 0 })
  })
})
