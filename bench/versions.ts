/**
 * Compares this checkout with another one, in the folder BASE: the CPU time per request, and the time until
 * ready. The rounds of both are interleaved, on the same database and the same Redis. The best round of each
 * counts, because other load on the machine can only add time. ONLY=pattern selects the scenarios whose names
 * match.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { root } from '@shop/testing/files.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { ownPrefix, redisUrl, removeKeys } from '@shop/testing/stores/redis.ts'
import { basketScenarios, catalogScenarios, type Scenario, type Stock, uniformId } from './scenarios.ts'
import { openCatalog } from './support/catalog.ts'
import { type Candidate, compareCandidates, httpCandidate } from './support/comparison.ts'
import { driveGrpc } from './support/load/grpc-load.ts'
import { type Server, startServer } from './support/process.ts'
import { measureInRounds } from './support/rounds.ts'
import { productionSettings } from './support/servers.ts'
import { fillBaskets } from './support/shop.ts'

const products = 10_000
const connections = 32
const startCount = 4

type Version = Readonly<{ name: string; product: Server; basket: Server; grpc: string; stock: Stock }>
type Context = Readonly<{ catalog: Awaited<ReturnType<typeof openCatalog>>; logs: string }>

const startService = async (folder: string, service: string, environment: Readonly<Record<string, string>>) =>
  startServer(join(folder, `services/${service}/src/main.ts`), await freePort(), '/health/ready', environment)

/** Starts both services of a checkout on the shared catalog, with separate baskets. */
const openVersion = async (
  name: string,
  folder: string,
  { catalog: { url: DATABASE_URL, plentiful }, logs }: Context,
  stack: AsyncDisposableStack,
): Promise<Version> => {
  const GRPC_PORT = String(await freePort())
  const grpc = `127.0.0.1:${GRPC_PORT}`
  const own = productionSettings(logs)
  const product = stack.use(await startService(folder, 'product', { ...own, DATABASE_URL, GRPC_PORT }))
  const called = { REDIS_URL: redisUrl, PRODUCT_SERVICE_URL: grpc }
  const basket = stack.use(await startService(folder, 'basket', { ...own, ...called }))
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(`basket:${prefix}`))
  const users = Array.from({ length: 500 }, (_, index) => `${prefix}${index}`)
  await fillBaskets(basket.url, users, plentiful.slice(0, 1))
  return { name, product, basket, grpc, stock: { products, plentiful, users } }
}

const report = (name: string, [base = 0, ours = 0]: readonly number[], unit: string): void => {
  const ratio = (base / ours).toFixed(2)
  process.stdout.write(
    `${name.padEnd(20)} ${base.toFixed(1).padStart(9)} ${unit} before ${ours.toFixed(1).padStart(9)} ${unit} now  ${ratio}\n`,
  )
}

/** Reports the lowest CPU time per request of each candidate. */
const compare = async (scenario: string, candidates: readonly Candidate[], rounds: number): Promise<void> => {
  const summaries = Object.values(await compareCandidates(candidates, rounds))
  const failed = summaries.reduce((sum, one) => sum + one.failed, 0)
  if (failed > 0) throw new Error(`${failed} requests of ${scenario} failed`)
  report(
    scenario,
    summaries.map(({ cpu }) => cpu.service?.min ?? Number.NaN),
    'µs',
  )
}

const httpCandidates = (
  versions: readonly Version[],
  service: 'product' | 'basket',
  { requests }: Scenario,
  seconds: number,
): Candidate[] =>
  versions.map(({ name, stock, [service]: { url, pid } }) =>
    httpCandidate(
      name,
      { url, processes: { service: [pid] } },
      { requests: requests(stock), connections, seconds },
    ),
  )

const grpcCandidates = (versions: readonly Version[], seconds: number): Candidate[] => {
  const calls = Array.from({ length: 1_000 }, () => [uniformId(products)])
  return versions.map(({ name, grpc: address, product }) => ({
    name,
    processes: { service: [product.pid] },
    run: () => driveGrpc({ address, calls, concurrency: connections, seconds }),
  }))
}

/** Reports the shortest time until ready of each version. All starts but the first use its compile cache. */
const compareStarts = async (folders: readonly string[], { catalog, logs }: Context): Promise<void> => {
  const times = await measureInRounds(
    folders.map((folder, index) => async () => {
      await using server = await startService(folder, 'product', {
        ...productionSettings(logs),
        DATABASE_URL: catalog.url,
        GRPC_PORT: String(await freePort()),
        NODE_COMPILE_CACHE: join(logs, `compiled-${index}`),
      })
      return server.readyMs
    }),
    startCount,
  )
  report(
    'ready',
    times.map((own) => Math.min(...own)),
    'ms',
  )
}

await run(async () => {
  const { BASE } = process.env
  if (BASE === undefined)
    throw new OperatorError(
      'Set BASE to the folder of another checkout with installed dependencies, for example BASE=../before.',
    )
  const rounds = numberVariable('ROUNDS', 9, 100)
  const seconds = numberVariable('SECONDS', 2, 60)
  const folders = { before: resolve(BASE), now: root }
  const only = new RegExp(process.env['ONLY'] ?? '')

  await using stack = new AsyncDisposableStack()
  const logs = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(logs, { recursive: true }))
  const context = { catalog: stack.use(await openCatalog(products)), logs }
  const versions: Version[] = []
  for (const [name, folder] of Object.entries(folders))
    versions.push(await openVersion(name, folder, context, stack))
  for (const [service, scenarios] of [
    ['product', catalogScenarios],
    ['basket', basketScenarios.filter(({ freshBaskets }) => !freshBaskets)],
  ] as const)
    for (const scenario of scenarios.filter(({ name }) => only.test(name)))
      await compare(scenario.name, httpCandidates(versions, service, scenario, seconds), rounds)
  if (only.test('ready')) await compareStarts(Object.values(folders), context)
  if (only.test('GetProduct')) await compare('GetProduct', grpcCandidates(versions, seconds), rounds)
})
