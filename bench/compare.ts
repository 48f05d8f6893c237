/**
 * Our services beside the limits of the machine and beside the obvious way to write them, all in the same run. Prints a
 * table, writes bench/results/latest.json, and says what has changed since that was committed. From the environment:
 * PRODUCTS, CONNECTIONS, ROUNDS, SECONDS (of a turn), WORKERS, and ONLY, a part of the names of scenarios.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { root } from '@shop/testing/files.ts'
import { redisUrl } from '@shop/testing/stores/redis.ts'
import { basketScenarios, catalogScenarios, shoppingMix, uniformId } from './scenarios.ts'
import { type Contestant, contest, httpContestant, type Standing } from './support/contest.ts'
import { isHere, pgbench, redisBenchmark } from './support/engines.ts'
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

type Contest = Readonly<{ name: string; contestants: () => Promise<Contestant[]> }>

/** Makes the constant server answer as ours does. */
const answerLike = async (
  constant: Server,
  ours: Server,
  { method, path, body }: HttpRequest,
): Promise<void> => {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(ours.url + path, {
    method,
    ...(body !== undefined && { headers, body: JSON.stringify(body) }),
  })
  await fetch(`${constant.url}/answer`, { method: 'PUT', headers, body: await answer.text() })
}

const engineContestant = (engine: string | undefined, { databaseUrl, stock }: Shop): Contestant[] => {
  const key = `basket:${stock.users[0]}`
  const engines: Record<string, () => Promise<number>> = {
    pgbench: () => pgbench({ url: databaseUrl, connections, seconds }, stock.products),
    'redis-benchmark': () => redisBenchmark({ url: redisUrl, connections, seconds }, key),
  }
  const rate = engine === undefined || !programs.has(engine) ? undefined : engines[engine]
  if (engine === undefined || rate === undefined) return []
  return [{ name: engine, run: async () => ({ rate: await rate(), failed: 0, p50: 0, p99: 0 }) }]
}

const programs = new Set<string>()
for (const program of ['pgbench', 'redis-benchmark']) if (await isHere(program)) programs.add(program)

const httpContests = (shop: Shop): Contest[] => {
  const { product, obviousProduct, basket, obviousBasket, constant } = shop.servers
  const groups = [
    { scenarios: catalogScenarios, ours: product, obvious: obviousProduct },
    { scenarios: basketScenarios, ours: basket, obvious: obviousBasket },
  ]
  return groups.flatMap(({ scenarios, ours, obvious }) =>
    scenarios.map(({ name, requests, engine, freshBaskets }) => ({
      name,
      contestants: async () => {
        const list = requests(shop.stock)
        const load = { requests: list, connections, seconds }
        if (list[0] !== undefined) await answerLike(constant, ours, list[0])
        const prepare = freshBaskets && shop.removeBaskets
        return [
          httpContestant('ours', ours, load, prepare),
          httpContestant('constant', constant, load),
          httpContestant('obvious', obvious, load, prepare),
          ...engineContestant(engine, shop),
        ]
      },
    })),
  )
}

const grpcContests = ({ servers: { product, obviousProduct, empty }, grpc, stock }: Shop): Contest[] =>
  Object.entries({ GetProduct: 1, 'BatchGetProducts of 20': 20 }).map(([name, size]) => ({
    name,
    contestants: async () => {
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

const mixContest = (shop: Shop): Contest => ({
  name: 'shopping mix',
  contestants: async () => {
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

type Results = Readonly<{ scenarios: Readonly<Record<string, Readonly<Record<string, Standing>>>> }>

/** What was committed last; nothing, when nothing was. */
const committed = (): Results => {
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore']
    return JSON.parse(
      execFileSync('git', ['show', `HEAD:${resultFile}`], { cwd: root, encoding: 'utf8', stdio }),
    )
  } catch {
    return { scenarios: {} }
  }
}

const row = (name: string, standings: Readonly<Record<string, Standing>>, before: Results): string[] => {
  const { ours, obvious, constant, empty } = standings
  const limit = constant ?? empty
  const engine = standings['pgbench'] ?? standings['redis-benchmark']
  const last = before.scenarios[name]?.['obvious']
  const ratio = (standing: Standing | undefined) => (standing === undefined ? '' : ratioText(standing.ratio))
  const both = (read: (standing: Standing) => number, digits: number) =>
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

const head = [
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
  const contests = [...httpContests(shop), ...grpcContests(shop), mixContest(shop)].filter(({ name }) =>
    name.includes(only),
  )
  const before = committed()
  const scenarios: Record<string, Record<string, Standing>> = {}
  const rows = [head]
  for (const { name, contestants } of contests) {
    const standings = await contest(await contestants(), settings.rounds)
    scenarios[name] = standings
    rows.push(row(name, standings, before))
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
  }
  const ready = shop.servers.product.readyMs
  process.stdout.write(
    `\n${JSON.stringify(settings)}, load by ${loadGenerator}; medians (least–greatest) of rounds; pairs are ours / obvious\n` +
      `${table(rows)}\nThe product service was ready ${ready.toFixed(0)} ms after its start\n`,
  )
  if (only === '') {
    mkdirSync(join(root, 'bench/results'), { recursive: true })
    const results = { settings, loadGenerator, node: process.version, readyMs: Math.round(ready), scenarios }
    writeFileSync(join(root, resultFile), `${JSON.stringify(results, null, 1)}\n`)
  }
})
