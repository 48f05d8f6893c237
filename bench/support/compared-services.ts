import { redisUrl } from '@shop/testing/stores/redis.ts'
import { basketScenarios, catalogScenarios, type Stock } from '../scenarios.ts'
import { type Candidate, compareCandidates, httpCandidate } from './comparison.ts'
import { markdownTable } from './report.ts'
import { productionSettings, startProgram } from './servers.ts'

const connections = 32

type Program = Awaited<ReturnType<typeof startProgram>>
type Services = Readonly<{ product: Program; basket: Program }>
export type Subject = Services & Readonly<{ name: string; authorization?: string | undefined }>

/** Starts both services with these variables. All share the catalog, and the baskets. */
export const openServices = async (
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

/** The candidates of a scenario over HTTP, one for each subject. */
export const httpCandidates = (
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

/** A row of the CPU time per request of each candidate, and its ratio to the first one. */
const measureRow = async (scenario: string, candidates: readonly Candidate[], rounds: number) => {
  const summaries = Object.values(await compareCandidates(candidates, rounds))
  const failed = summaries.reduce((sum, one) => sum + one.failed, 0)
  if (failed > 0) throw new Error(`${failed} requests of ${scenario} failed`)
  const times = summaries.map(({ cpu }) => cpu.service?.min ?? Number.NaN)
  const [first = Number.NaN] = times
  return [scenario, ...times.map((time) => `${time.toFixed(1)} (${(time / first).toFixed(3)})`)]
}

/** Prints a table of the CPU time per request of each candidate. */
export const printRow = async (scenario: string, candidates: readonly Candidate[], rounds: number) => {
  const row = await measureRow(scenario, candidates, rounds)
  const titles = candidates.map(({ name }) => name)
  process.stdout.write(`${markdownTable([['CPU µs per request', ...titles], row])}\n\n`)
}
