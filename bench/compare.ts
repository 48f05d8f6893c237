/**
 * Compares our services with minimal servers, with the databases alone and with obvious implementations, in
 * interleaved rounds. Prints a table that also has the ratio to the obvious implementation from the committed
 * results, and writes bench/results/latest.json. Variables: PRODUCTS, CONNECTIONS, ROUNDS, SECONDS (per
 * measurement), WORKERS, and ONLY (part of a scenario's name; the results are then not written).
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { root } from '@shop/testing/files.ts'
import { redisUrl } from '@shop/testing/stores/redis.ts'
import { basketScenarios, catalogScenarios, shoppingMix, uniformId } from './scenarios.ts'
import { type Candidate, compareCandidates, httpCandidate, type Summary } from './support/comparison.ts'
import { isInstalled, pgbench, redisBenchmark } from './support/engines.ts'
import { driveGrpc } from './support/grpc-load.ts'
import { driveMix, type HttpRequest, loadGenerator } from './support/load.ts'
import type { Server } from './support/process.ts'
import { ratioText, table } from './support/report.ts'
import { openShop, type Shop } from './support/shop.ts'

const settings = {
  products: numberVariable('PRODUCTS', 100_000, 100_000_000),
  connections: numberVariable('CONNECTIONS', 64, 1_000),
  rounds: numberVariable('ROUNDS', 5, 100),
  seconds: numberVariable('SECONDS', 2, 60),
}
const { connections, seconds } = settings
const only = process.env['ONLY'] ?? ''
const resultFile = 'bench/results/latest.json'

type Comparison = Readonly<{ name: string; candidates: () => Promise<Candidate[]> }>

/** Makes the constant server respond with the body that our service returns for this request. */
const copyResponse = async (
  constant: Server,
  ours: Server,
  { method, path, body }: HttpRequest,
): Promise<void> => {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(ours.url + path, {
    method,
    ...(body !== undefined && { headers, body: JSON.stringify(body) }),
  })
  await fetch(`${constant.url}/response`, { method: 'PUT', headers, body: await response.text() })
}

const engineCandidate = (engine: string | undefined, { databaseUrl, stock }: Shop): Candidate[] => {
  const key = `basket:${stock.users[0]}`
  const engines: Record<string, () => Promise<number>> = {
    pgbench: () => pgbench({ url: databaseUrl, connections, seconds }, stock.products),
    'redis-benchmark': () => redisBenchmark({ url: redisUrl, connections, seconds }, key),
  }
  const rate = engine === undefined || !installedPrograms.has(engine) ? undefined : engines[engine]
  if (engine === undefined || rate === undefined) return []
  return [{ name: engine, run: async () => ({ rate: await rate(), failed: 0, p50: 0, p99: 0 }) }]
}

const installedPrograms = new Set<string>()
for (const program of ['pgbench', 'redis-benchmark'])
  if (await isInstalled(program)) installedPrograms.add(program)

const httpComparisons = (shop: Shop): Comparison[] => {
  const { product, obviousProduct, basket, obviousBasket, constant } = shop.servers
  const groups = [
    { scenarios: catalogScenarios, ours: product, obvious: obviousProduct },
    { scenarios: basketScenarios, ours: basket, obvious: obviousBasket },
  ]
  return groups.flatMap(({ scenarios, ours, obvious }) =>
    scenarios.map(({ name, requests, engine, freshBaskets }) => ({
      name,
      candidates: async () => {
        const list = requests(shop.stock)
        const load = { requests: list, connections, seconds }
        if (list[0] !== undefined) await copyResponse(constant, ours, list[0])
        const prepare = freshBaskets && shop.removeBaskets
        return [
          httpCandidate('ours', ours, load, prepare),
          httpCandidate('constant', constant, load),
          httpCandidate('obvious', obvious, load, prepare),
          ...engineCandidate(engine, shop),
        ]
      },
    })),
  )
}

const grpcComparisons = ({ servers: { product, obviousProduct, empty }, grpc, stock }: Shop): Comparison[] =>
  Object.entries({ GetProduct: 1, 'BatchGetProducts of 20': 20 }).map(([name, size]) => ({
    name,
    candidates: async () => {
      const calls = Array.from({ length: 10_000 }, () =>
        Array.from({ length: size }, () => uniformId(stock.products)),
      )
      const call = (address: string) => () => driveGrpc({ address, calls, concurrency: connections, seconds })
      return [
        { name: 'ours', server: product, run: call(grpc.ours) },
        { name: 'empty', server: empty, run: call(grpc.empty) },
        { name: 'obvious', server: obviousProduct, run: call(grpc.obvious) },
      ]
    },
  }))

const mixComparison = (shop: Shop): Comparison => ({
  name: 'shopping mix',
  candidates: async () => {
    await shop.fillBaskets()
    const { catalog, baskets } = shoppingMix(shop.stock)
    const { product, basket, obviousProduct, obviousBasket } = shop.servers
    const mix = (catalogServer: Server, basketServer: Server) => () =>
      driveMix(
        { url: catalogServer.url, requests: catalog },
        { url: basketServer.url, requests: baskets },
        { connections, seconds },
      )
    return [
      { name: 'ours', server: product, run: mix(product, basket) },
      { name: 'obvious', server: obviousProduct, run: mix(obviousProduct, obviousBasket) },
    ]
  },
})

type Results = Readonly<{ scenarios: Readonly<Record<string, Readonly<Record<string, Summary>>>> }>

/** The results in the last commit; empty if there are none. */
const committedResults = (): Results => {
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore']
    return JSON.parse(
      execFileSync('git', ['show', `HEAD:${resultFile}`], { cwd: root, encoding: 'utf8', stdio }),
    )
  } catch {
    return { scenarios: {} }
  }
}

const row = (name: string, summaries: Readonly<Record<string, Summary>>, before: Results): string[] => {
  const { ours, obvious, constant, empty } = summaries
  const limit = constant ?? empty
  const engine = summaries['pgbench'] ?? summaries['redis-benchmark']
  const last = before.scenarios[name]?.['obvious']
  const ratio = (summary: Summary | undefined) => (summary === undefined ? '' : ratioText(summary.ratio))
  const both = (read: (summary: Summary) => number, digits: number) =>
    [ours, obvious].map((one) => (one === undefined ? '' : read(one).toFixed(digits))).join(' / ')
  return [
    name,
    (ours?.rate.median ?? 0).toFixed(0),
    ratio(limit),
    ratio(engine),
    ratio(obvious),
    last === undefined ? '' : last.ratio.median.toFixed(2),
    both(({ p50 }) => p50, 2),
    both(({ p99 }) => p99, 2),
    both(({ microseconds }) => microseconds, 0),
    (ours?.megabytes ?? 0).toFixed(0),
  ]
}

const header = [
  '',
  'req/s',
  '÷ constant',
  '÷ engine',
  '÷ obvious',
  'before',
  'p50 ms',
  'p99 ms',
  'CPU µs',
  'MB',
]

await run(async () => {
  await using shop = await openShop(settings.products)
  const comparisons = [...httpComparisons(shop), ...grpcComparisons(shop), mixComparison(shop)].filter(
    ({ name }) => name.includes(only),
  )
  const before = committedResults()
  const scenarios: Record<string, Record<string, Summary>> = {}
  const rows = [header]
  for (const { name, candidates } of comparisons) {
    const summaries = await compareCandidates(await candidates(), settings.rounds)
    scenarios[name] = summaries
    rows.push(row(name, summaries, before))
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
  }
  const ready = shop.servers.product.readyMs
  process.stdout.write(
    `\n${JSON.stringify(settings)}, load by ${loadGenerator}; medians (minimum–maximum) of the rounds; pairs are ours / obvious\n` +
      `${table(rows)}\nThe product service was ready ${ready.toFixed(0)} ms after its start.\n`,
  )
  if (only === '') {
    mkdirSync(join(root, 'bench/results'), { recursive: true })
    const results = { settings, loadGenerator, node: process.version, readyMs: Math.round(ready), scenarios }
    writeFileSync(join(root, resultFile), `${JSON.stringify(results, null, 1)}\n`)
  }
})
