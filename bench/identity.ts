/**
 * Measures what it costs to know the caller: the CPU time of a service for reads with an API key, with a token whose verdict is
 * remembered, without credentials, and without identity (`AUTH=off`). The rounds are interleaved, on the same database and Redis.
 * The best round of each counts, because other load on the machine can only add time. ONLY=pattern selects the scenarios.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { ownPrefix, redisUrl, removeKeys } from '@shop/testing/stores/redis.ts'
import { basketScenarios, catalogScenarios, type Stock, uniformId } from './scenarios.ts'
import { openCatalog } from './support/catalog.ts'
import { type Candidate, compareCandidates, httpCandidate } from './support/comparison.ts'
import { createIdentities } from './support/identities.ts'
import { driveGrpc } from './support/load/grpc-load.ts'
import { markdownTable } from './support/report.ts'
import { productionSettings, startProgram } from './support/servers.ts'
import { fillBaskets } from './support/shop.ts'

const products = 10_000
const connections = 32

type Program = Awaited<ReturnType<typeof startProgram>>
type Services = Readonly<{ product: Program; basket: Program }>
type Subject = Services & Readonly<{ name: string; authorization: string | undefined }>

/** Starts both services with these variables. All share the catalog, and the baskets. */
const openServices = async (
  environment: Readonly<Record<string, string>>,
  { databaseUrl, folder }: Readonly<{ databaseUrl: string; folder: string }>,
  stack: AsyncDisposableStack,
): Promise<Services> => {
  const own = { ...productionSettings(folder), ...environment }
  const product = stack.use(await startProgram('product', { ...own, DATABASE_URL: databaseUrl }))
  const called = { REDIS_URL: redisUrl, PRODUCT_SERVICE_URL: product.grpc }
  const basket = stack.use(await startProgram('basket', { ...own, ...called }))
  return { product, basket }
}

type Load = Readonly<{ stock: Stock; seconds: number }>

const httpCandidates = (
  subjects: readonly Subject[],
  service: 'product' | 'basket',
  scenario: string,
  { stock, seconds }: Load,
): Candidate[] => {
  const { requests } = [...catalogScenarios, ...basketScenarios].find(({ name }) => name === scenario) ?? {}
  if (requests === undefined) throw new Error(`there is no scenario ${scenario}`)
  const sent = requests(stock)
  return subjects.map(({ name, authorization, [service]: { url, pid } }) => {
    const own = authorization === undefined ? sent : sent.map((request) => ({ ...request, authorization }))
    return httpCandidate(
      name,
      { url, processes: { service: [pid] } },
      { requests: own, connections, seconds },
    )
  })
}

const grpcCandidates = (subjects: readonly Subject[], seconds: number): Candidate[] => {
  const calls = Array.from({ length: 1_000 }, () => [uniformId(products)])
  return subjects.map(({ name, authorization, product: { grpc: address, pid } }) => ({
    name,
    processes: { service: [pid] },
    run: () => driveGrpc({ address, calls, concurrency: connections, seconds, authorization }),
  }))
}

/** A row of the CPU time per request of each candidate, and its ratio to the first one. */
const measureRow = async (scenario: string, candidates: readonly Candidate[], rounds: number) => {
  const summaries = Object.values(await compareCandidates(candidates, rounds))
  const failed = summaries.reduce((sum, one) => sum + one.failed, 0)
  if (failed > 0) throw new Error(`${failed} requests of ${scenario} failed`)
  const times = summaries.map(({ cpu }) => cpu.service?.min ?? Number.NaN)
  const [first = Number.NaN] = times
  return [scenario, ...times.map((time) => `${time.toFixed(1)} (${(time / first).toFixed(3)})`)]
}

await run(async () => {
  const rounds = numberVariable('ROUNDS', 9, 100)
  const seconds = numberVariable('SECONDS', 2, 60)
  const only = new RegExp(process.env['ONLY'] ?? '')

  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const { url: databaseUrl, plentiful } = stack.use(await openCatalog(products))
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(`basket:${prefix}`))
  const users = Array.from({ length: 500 }, (_, index) => `${prefix}${index}`)
  const stock = { products, plentiful, users }

  const { environments, callers } = await createIdentities(folder)
  const services = {
    off: await openServices(environments.off, { databaseUrl, folder }, stack),
    known: await openServices(environments.known, { databaseUrl, folder }, stack),
  }
  const subjects = callers.map(({ name, service, authorization }) => ({
    ...services[service],
    name,
    authorization,
  }))
  await fillBaskets(services.off.basket.url, users, plentiful.slice(0, 1))

  // Nobody without credentials may read the baskets of users.
  const known = subjects.filter(({ name }) => name !== 'no credentials')
  const load = { stock, seconds }
  const scenarios = {
    'get by id': () => httpCandidates(subjects, 'product', 'get by id', load),
    GetProduct: () => grpcCandidates(subjects, seconds),
    'basket get': () => httpCandidates(known, 'basket', 'basket get', load),
  }
  for (const [name, candidates] of Object.entries(scenarios)) {
    if (!only.test(name)) continue
    const measured = candidates()
    const row = await measureRow(name, measured, rounds)
    const titles = measured.map((candidate) => candidate.name)
    process.stdout.write(`${markdownTable([['CPU µs per request', ...titles], row])}\n\n`)
  }
})
