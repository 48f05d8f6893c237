import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Histogram, Registry } from '@prometheus-io/client'
import { createHistogram } from '../../src/metrics/histogram.ts'

const configuration = {
  name: 'duration_seconds',
  help: 'A "help" with \\ and\na line break',
  labelNames: ['route', 'status'] as const,
  buckets: [0.001, 0.5, 10],
}

/** A histogram of ours and one of the library, each in a registry. Every value is observed by both. */
const bothHistograms = () => {
  const [registry, libraryRegistry] = [new Registry(), new Registry()]
  for (const each of [registry, libraryRegistry]) each.setDefaultLabels({ service: 'test' })
  const ours = createHistogram({ ...configuration, constantLabels: { service: 'test' } }, registry)
  const library = new Histogram({
    ...configuration,
    buckets: [...configuration.buckets],
    registers: [libraryRegistry],
  })
  const observe = (route: string, status: number, ...values: readonly number[]) => {
    for (const value of values) {
      ours.observe({ route, status }, value)
      library.observe({ route, status }, value)
    }
  }
  return { observe, registry, libraryRegistry }
}

const fill = ({ observe }: ReturnType<typeof bothHistograms>) => {
  observe('/a', 200, 0, 0.001, 0.0011, 0.5, 9.99, 10, 10.1, 1e6)
  observe('/a', 404, 0.2)
  observe('/b "quoted"\\', 200, 3)
  observe('/a', 200, 0.3)
}

describe('a histogram', () => {
  it('has the text of the library', async () => {
    const both = bothHistograms()
    assert.equal(await both.registry.metrics(), await both.libraryRegistry.metrics())
    fill(both)
    const text = await both.registry.metrics()
    assert.equal(text, await both.libraryRegistry.metrics())
    assert.match(text, /^duration_seconds_bucket\{le="0.5",service="test",route="\/a",status="200"\} 5$/m)
  })

  it('has the totals of several workers like the library', async () => {
    const both = bothHistograms()
    fill(both)
    const totals = async (registry: Registry) => {
      const report = structuredClone(await registry.getMetricsAsJSON())
      const text = await Registry.aggregate([report, report]).metrics()
      // The library puts the labels of the registry last.
      return text.replaceAll(/\{(.*)\}/g, (_, labels: string) => labels.split(',').toSorted().join())
    }
    assert.equal(await totals(both.registry), await totals(both.libraryRegistry))
  })
})
