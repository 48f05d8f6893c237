import { redisUrl } from '@shop/testing/stores/redis.ts'
import { basketScenarios, catalogScenarios, type Scenario, uniformId } from './scenarios.ts'
import { type Settings, usualConnections } from './settings.ts'
import { type Candidate, httpCandidate } from './support/comparison.ts'
import { isInstalled, pgbench, redisBenchmark } from './support/engines.ts'
import { driveGrpc } from './support/grpc-load.ts'
import { driveWithH2load } from './support/h2load.ts'
import type { HttpRequest } from './support/load.ts'
import type { BasketName, CatalogName, Started } from './support/servers.ts'
import type { Shop } from './support/shop.ts'

/** One comparison: a scenario at a number of connections. Its servers start when the candidates are created. */
export type Row = Readonly<{ scenario: string; connections: number; candidates: () => Promise<Candidate[]> }>

const installed = new Set<string>()
for (const program of ['pgbench', 'redis-benchmark', 'h2load'])
  if (await isInstalled(program)) installed.add(program)

/** The candidates that are measured at every number of connections. */
const compared = /^(ours|obvious|obvious with logs|nest)$/

/** Whether this run measures this candidate. */
const isChosen =
  (settings: Settings, scenario: Pick<Scenario, 'thorough'>, connections: number) => (name: string) => {
    if (settings.candidates !== undefined) return settings.candidates.test(name)
    if (name === 'ours, 2 workers') return scenario.thorough === true && connections === usualConnections
    return connections === usualConnections || compared.test(name)
  }

/** The numbers of connections at which this run measures a scenario. */
const countsOf = ({ connections }: Settings, { thorough }: Pick<Scenario, 'thorough'>): readonly number[] =>
  connections ?? (thorough ? [usualConnections, 1, 8, 256] : [usualConnections])

/** Headers that belong to a connection or a message, which a server sets itself. */
const ownHeaders = /^(connection|keep-alive|transfer-encoding|content-.*|date)$/

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

const generators = { '': driveGrpc, ', h2load': driveWithH2load }

const grpcRows = (shop: Shop, settings: Settings): Row[] =>
  Object.entries({ GetProduct: 1, 'BatchGetProducts of 20': 20 }).flatMap(([method, size]) =>
    Object.entries(generators)
      .filter(([name]) => name === '' || installed.has('h2load'))
      .flatMap(([suffix, drive]) => {
        const scenario = size === 1 && suffix !== '' ? ({ thorough: true } as const) : {}
        return countsOf(settings, scenario).map((connections) => ({
          scenario: method + suffix,
          connections,
          candidates: async () => {
            const calls = Array.from({ length: 10_000 }, () =>
              Array.from({ length: size }, () => uniformId(shop.stock.products)),
            )
            const load = { calls, concurrency: connections, seconds: settings.seconds }
            const names = ['ours', 'obvious', 'obvious with logs', 'empty'] as const
            const candidates: Candidate[] = []
            for (const name of names.filter(isChosen(settings, scenario, connections))) {
              const { grpc, processes } = await shop.catalogs(name)
              candidates.push({ name, processes, run: () => drive({ ...load, address: grpc }) })
            }
            return candidates
          },
        }))
      }),
  )

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
