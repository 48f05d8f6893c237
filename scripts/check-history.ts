import { Counts } from '../tests/history/support/counts.ts'
import { type Form, runRounds } from '../tests/history/support/rounds.ts'
import { startCatalog, startShop } from '../tests/history/support/shop.ts'
import { type Engine, engines } from '../tests/history/support/stores.ts'

const usage = `make check-history [ENGINE=${engines.join('|')}|all] [MINUTES=10] [SEED=1]`

const size = { baskets: 4, clients: 8, requests: 22 } as const

/** Every third round has no faults, and clients that do not pause. */
const formOf = (seed: number, round: number): Form =>
  round % 3 === 2 ? { ...size, seed, pauseMs: 1 } : { ...size, seed, pauseMs: 60, faultPauseMs: [200, 1_200] }

const reportMs = 30_000

const print = (text: string): void => void process.stdout.write(`${text}\n`)

class WrongUsage extends Error {}

const numberIn = (name: string, value: string | undefined, byDefault: number, max: number): number => {
  const number = Number(value || byDefault)
  if (!(number > 0 && number <= max)) throw new WrongUsage(`${name} must be a number up to ${max}`)
  return number
}

const readOptions = ({ ENGINE, MINUTES, SEED }: NodeJS.ProcessEnv) => {
  const chosen = !ENGINE || ENGINE === 'all' ? engines : engines.filter((name) => name === ENGINE)
  if (chosen.length === 0) throw new WrongUsage(`ENGINE must be all, ${engines.join(', ')}`)
  const seed = Math.floor(numberIn('SEED', SEED, 1 + Math.random() * 1_000_000, 1_000_000_000))
  return { chosen, minutes: numberIn('MINUTES', MINUTES, 10, 1_440), seed }
}

/** Prints the counts every half minute. Returns whether there is time left. */
const createClock = (ms: number, report: () => void) => {
  const deadline = performance.now() + ms
  let printAt = performance.now() + reportMs
  return (): boolean => {
    if (performance.now() > printAt) {
      printAt = performance.now() + reportMs
      report()
    }
    return performance.now() < deadline
  }
}

/** Runs rounds on one engine, and throws if a history is impossible, or if too many are undecided. */
const runOn = async (engine: Engine, ms: number, seed: number, counts: Counts): Promise<void> => {
  await using stack = new AsyncDisposableStack()
  const interrupt = () => void stack.disposeAsync().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, interrupt)
    stack.defer(() => void process.off(signal, interrupt))
  }
  const catalog = stack.use(await startCatalog())
  const shop = stack.use(await startShop({ engine, catalog }))
  const hasTime = createClock(ms, () => print(`${engine}: ${counts.line()}`))
  await runRounds(shop, (round) => formOf(seed, round), counts, hasTime)
  if (counts.get('histories that are undecided') > counts.get('histories') / 10)
    throw new Error('too many histories are undecided')
}

const checkEngine = async (engine: Engine, ms: number, seed: number): Promise<void> => {
  const counts = new Counts()
  try {
    await runOn(engine, ms, seed, counts)
  } catch (error) {
    print(error instanceof Error ? error.message : String(error))
    print(`\nTry again: make check-history ENGINE=${engine} SEED=${seed}\n`)
    process.exitCode = 1
  }
  print(`${engine}, SEED=${seed}\n${counts.table()}\n`)
}

try {
  const { chosen, minutes, seed } = readOptions(process.env)
  for (const engine of chosen) await checkEngine(engine, (minutes * 60_000) / chosen.length, seed)
} catch (error) {
  if (!(error instanceof WrongUsage)) throw error
  process.stderr.write(`${error.message}\nusage: ${usage}\n`)
  process.exitCode = 2
}
