/**
 * Measures the product service with growing catalogs and with growing numbers of connections, in interleaved
 * rounds. Prints the results and writes plots to docs/performance.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '@shop/platform/process/lifecycle.ts'
import { root } from '@shop/testing/files.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { uniformId } from './scenarios.ts'
import { throwIfInterrupted } from './support/interrupt.ts'
import { drive, type HttpRequest } from './support/load.ts'
import { plot } from './support/plot.ts'
import { type Server, startServer } from './support/process.ts'
import { ratioText, type Spread, spreadOf } from './support/report.ts'
import { openCatalog } from './support/shop.ts'

const sizes = [10_000, 100_000, 1_000_000]
const connectionCounts = [1, 4, 16, 64, 256]
const rounds = 5
const seconds = 2

const start = async (script: string, readyPath: string, DATABASE_URL: string): Promise<Server> =>
  startServer(script, await freePort(), readyPath, {
    DATABASE_URL,
    GRPC_PORT: String(await freePort()),
    LOG_LEVEL: 'warn',
  })

const openService = async (count: number) => {
  await using stack = new AsyncDisposableStack()
  const catalog = stack.use(await openCatalog(count))
  const ours = stack.use(await start('services/product/src/main.ts', '/health/ready', catalog.url))
  const owned = stack.move()
  return { count, ours, databaseUrl: catalog.url, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Follows `next_cursor` to the middle of the catalog. Returns the path of the page there. */
const pathOfDeepPage = async (url: string, count: number): Promise<string> => {
  let cursor = ''
  for (let read = 0; read < count / 2; read += 1_000) {
    const page = await fetch(`${url}/products?limit=1000&sort=price${cursor}`)
    const { next_cursor: next } = (await page.json()) as { next_cursor: string }
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
  return `/products?limit=20&sort=price${cursor}`
}

const rate = async (url: string, requests: readonly HttpRequest[], connections: number): Promise<number> => {
  const outcome = await drive({ url, requests, connections, seconds })
  if (outcome.failed > 0) throw new Error(`${outcome.failed} requests to ${url} failed`)
  return outcome.rate
}

const get = (path: string): HttpRequest => ({ method: 'GET', path })

/** Takes each measurement once per round. Returns the values of each, without the first round, a warm-up. */
const measureInRounds = async (measurements: readonly (() => Promise<number>)[]): Promise<number[][]> => {
  const values: number[][] = measurements.map(() => [])
  for (let round = 0; round <= rounds; round++)
    for (const [index, measurement] of measurements.entries()) {
      throwIfInterrupted()
      const value = await measurement()
      if (round > 0) values[index]?.push(value)
    }
  return values
}

const writePlot = (name: string, svg: string): void => {
  const folder = join(root, 'docs/performance')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.svg`), svg)
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)

type Service = Awaited<ReturnType<typeof openService>>

/** Plots the time per request at each catalog size, relative to the smallest one. */
const plotBySize = async (services: readonly Service[]): Promise<void> => {
  const pathsOf: Record<string, (service: Service) => Promise<string>> = {
    'top-10': async () => '/products/top-10',
    'deep page': ({ ours, count }) => pathOfDeepPage(ours.url, count),
    category: async () => '/products/category/Books?limit=20',
    'low stock': async () => '/products/low-stock-1?limit=20',
  }
  print(`Time per request ÷ that at ${sizes[0]} products: median (minimum–maximum) of ${rounds} rounds`)
  const lines: { name: string; values: number[] }[] = []
  for (const [name, pathOf] of Object.entries(pathsOf)) {
    const paths = await Promise.all(services.map(pathOf))
    const rates = await measureInRounds(
      services.map(
        ({ ours }, index) =>
          () =>
            rate(ours.url, [get(paths[index] ?? '')], 8),
      ),
    )
    const ratios: Spread[] = rates.map((own) =>
      spreadOf(own.map((value, round) => (rates[0]?.[round] ?? 0) / value)),
    )
    lines.push({ name, values: ratios.map(({ median }) => median) })
    print(`${name.padEnd(12)} ${ratios.map(ratioText).join('   ')}`)
  }
  const ticks = sizes.map((size) => `${size / 1_000}k products`)
  writePlot('by-size', plot({ title: 'Time per request', unit: 'ratio to 10k products', ticks, lines }))
}

/** Plots the gets by id per second at each number of connections, for our service and the obvious one. */
const plotByConnections = async ({ count, ours, databaseUrl }: Service): Promise<void> => {
  await using obvious = await start('bench/baselines/obvious-products.ts', '/products/1', databaseUrl)
  const requests = Array.from({ length: 5_000 }, () => get(`/products/${uniformId(count)}`))
  print(`Gets by id per second at ${connectionCounts.join(', ')} connections: medians of ${rounds} rounds`)
  const lines: { name: string; values: number[] }[] = []
  const candidates = Object.entries({ 'this service': ours, 'one query per request': obvious })
  const rates = await measureInRounds(
    candidates.flatMap(([, { url }]) =>
      connectionCounts.map((connections) => () => rate(url, requests, connections)),
    ),
  )
  for (const [index, [name]] of candidates.entries()) {
    const own = rates.slice(index * connectionCounts.length, (index + 1) * connectionCounts.length)
    const values = own.map((measured) => Math.round(spreadOf(measured).median))
    lines.push({ name, values })
    print(`${name.padEnd(18)} ${values.join('  ')}`)
  }
  const ticks = connectionCounts.map((connections) => `${connections}`)
  writePlot(
    'by-connections',
    plot({ title: 'Gets by id, by connections', unit: 'requests per second', ticks, lines }),
  )
}

await run(async () => {
  await using stack = new AsyncDisposableStack()
  const services: Service[] = []
  for (const size of sizes) services.push(stack.use(await openService(size)))
  await plotBySize(services)
  const [, middle] = services
  if (middle !== undefined) await plotByConnections(middle)
})
