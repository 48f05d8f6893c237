import { redisUrl } from '@shop/testing/stores/redis.ts'
import { grpcRows } from './grpc-rows.ts'
import { basketScenarios, catalogScenarios, type Scenario } from './scenarios.ts'
import { countsOf, isChosen, type Settings } from './settings.ts'
import { type Candidate, httpCandidate, type Row } from './support/comparison.ts'
import { installed, pgbench, redisBenchmark } from './support/load/engines.ts'
import type { HttpRequest } from './support/load/http-load.ts'
import type { BasketName, CatalogName, Started } from './support/servers.ts'
import type { Shop } from './support/shop.ts'

/** Headers that belong to a connection or a message, which a server sets itself. */
const ownHeaders = /^(connection|keep-alive|transfer-encoding|content-(type|length|encoding)|date)$/

/** Makes a constant server respond with the body of our service, and with its headers unless it is to be bare. */
const copyResponse = async (
  constant: Started,
  bare: boolean,
  ours: Started,
  { method, path, body }: HttpRequest,
): Promise<void> => {
  const type = { 'content-type': 'application/json' }
  const response = await fetch(ours.url + path, {
    method,
    ...(body !== undefined && { headers: type, body: JSON.stringify(body) }),
  })
  const headers = [...response.headers].filter(([name]) => !bare && !ownHeaders.test(name))
  const copy = JSON.stringify({ headers: Object.fromEntries(headers), body: await response.text() })
  await fetch(`${constant.url}/response`, { method: 'PUT', headers: type, body: copy })
}

const engineCandidate = (
  name: 'pgbench' | 'redis-benchmark',
  { databaseUrl, stock, stores }: Shop,
  { connections, seconds }: Readonly<{ connections: number; seconds: number }>,
): Candidate => ({
  name,
  processes: { store: stores },
  run: () =>
    name === 'pgbench'
      ? pgbench({ url: databaseUrl, connections, seconds }, stock.products)
      : redisBenchmark({ url: redisUrl, connections, seconds }, `basket:${stock.users[0]}`),
})

/** The rows of an HTTP scenario. `server` starts the candidate of a name. */
const httpRows = <Name extends string>(
  shop: Shop,
  settings: Settings,
  {
    names,
    server,
    ours,
  }: Readonly<{
    names: readonly Name[]
    server: (name: Name) => Promise<Started>
    ours: () => Promise<Started>
  }>,
  scenario: Scenario & Readonly<{ filled?: boolean }>,
): Row[] =>
  countsOf(settings, scenario).map((connections) => ({
    scenario: scenario.name,
    connections,
    candidates: async () => {
      if (scenario.filled) await shop.fillBaskets()
      const requests = scenario.requests(shop.stock)
      const load = { requests, connections, seconds: settings.seconds }
      const choose = isChosen(settings, scenario, connections)
      const candidates: Candidate[] = []
      for (const name of names.filter(choose)) {
        const started = await server(name)
        const [first] = requests
        if (name.endsWith('constant') && first !== undefined)
          await copyResponse(started, name.startsWith('bare'), await ours(), first)
        candidates.push(httpCandidate(name, started, load, scenario.freshBaskets && shop.removeBaskets))
      }
      const { engine } = scenario
      if (engine && choose(engine) && installed.has(engine))
        candidates.push(engineCandidate(engine, shop, load))
      return candidates
    },
  }))

const catalogNames: readonly CatalogName[] = [
  'ours',
  'ours, 2 workers',
  'obvious',
  'obvious with logs',
  'nest',
  'constant',
  'bare constant',
]

const basketNames: readonly BasketName[] = catalogNames.filter((name) => name !== 'nest' && name !== 'empty')

/** All rows that this run measures. */
export const rowsOf = (shop: Shop, settings: Settings): Row[] => {
  const catalog = { names: catalogNames, server: shop.catalogs, ours: () => shop.catalogs('ours') }
  const baskets = { names: basketNames, server: shop.baskets, ours: () => shop.baskets('ours') }
  return [
    ...catalogScenarios.flatMap((scenario) => httpRows(shop, settings, catalog, scenario)),
    ...basketScenarios.flatMap((scenario) =>
      httpRows(shop, settings, baskets, { ...scenario, filled: !scenario.freshBaskets }),
    ),
    ...grpcRows(shop, settings),
  ].filter(({ scenario }) => settings.only?.test(scenario) ?? true)
}
