/**
 * Measures the product service with growing catalogs, in interleaved rounds. Prints the time per request, and
 * plots it to docs/performance.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@shop/platform/process/lifecycle.ts'
import { openCatalog } from './support/catalog.ts'
import { compareCandidates, httpCandidate } from './support/comparison.ts'
import { plot, writePlots } from './support/plot.ts'
import { ratioText } from './support/report.ts'
import { productionSettings, startProgram } from './support/servers.ts'

const sizes = [10_000, 100_000, 1_000_000]
const rounds = 5
const load = { connections: 8, seconds: 2 }

const openService = async (count: number, logs: string, stack: AsyncDisposableStack) => {
  const { url: DATABASE_URL } = stack.use(await openCatalog(count))
  const settings = { ...productionSettings(logs), LOG_LEVEL: 'warn', DATABASE_URL }
  return { count, url: stack.use(await startProgram('product', settings)).url }
}

type Service = Awaited<ReturnType<typeof openService>>

/** Follows `next_cursor` to the middle of the catalog. Returns the path of the page there. */
const pathOfDeepPage = async ({ url, count }: Service): Promise<string> => {
  let cursor = ''
  for (let read = 0; read < count / 2; read += 1_000) {
    const page = await fetch(`${url}/products?limit=1000&sort=price${cursor}`)
    const { next_cursor: next } = (await page.json()) as { next_cursor: string }
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
  return `/products?limit=20&sort=price${cursor}`
}

const pathsOf: Record<string, (service: Service) => Promise<string>> = {
  'top-10': async () => '/products/top-10',
  'deep page': pathOfDeepPage,
  category: async () => '/products/category/Books?limit=20',
  'low stock': async () => '/products/low-stock-1?limit=20',
}

await run(async () => {
  await using stack = new AsyncDisposableStack()
  const logs = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(logs, { recursive: true }))
  const services: Service[] = []
  for (const size of sizes) services.push(await openService(size, logs, stack))
  process.stdout.write(
    `Time per request ÷ that at ${sizes[0]} products: median (minimum–maximum) of ${rounds} rounds\n`,
  )
  const lines: { name: string; values: number[] }[] = []
  for (const [name, pathOf] of Object.entries(pathsOf)) {
    const candidates = await Promise.all(
      services.map(async (service) => {
        const requests = [{ method: 'GET', path: await pathOf(service) } as const]
        return httpCandidate(
          String(service.count),
          { url: service.url, processes: {} },
          { requests, ...load },
        )
      }),
    )
    const summaries = await compareCandidates(candidates, rounds)
    if (Object.values(summaries).some(({ failed }) => failed > 0))
      throw new Error(`requests of ${name} failed`)
    const ratios = sizes.flatMap((size) => summaries[size]?.ratio ?? [])
    lines.push({ name, values: ratios.map(({ median }) => median) })
    process.stdout.write(`${name.padEnd(12)} ${ratios.map(ratioText).join('   ')}\n`)
  }
  const ticks = sizes.map((size) => `${size / 1_000}k products`)
  writePlots({ 'by-size': plot({ title: 'Time per request', unit: 'ratio to 10k products', ticks, lines }) })
})
