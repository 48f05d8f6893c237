/** What a list costs on a large catalogue, as a ratio to a small one: both measured in turns, in the same run. */

import { run } from '@shop/platform/lifecycle.ts'
import autocannon from 'autocannon'
import { sql } from 'kysely'
import { readConfig } from '../services/product/src/config.ts'
import { openForMigration } from '../services/product/src/infrastructure/database.ts'
import { migrate } from '../services/product/src/infrastructure/migrate.ts'
import { seedInvented } from '../services/product/src/infrastructure/seed.ts'
import { silentLogger } from '../tests/support/logger.ts'
import { ownDatabase } from '../tests/support/postgres.ts'
import { freePort, startService } from '../tests/support/services.ts'

const sizes = { small: 10_000, large: 1_000_000 }
const rounds = 7
const roundSeconds = 2

const openCatalogue = async (count: number) => {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await ownDatabase())
  {
    await using connection = openForMigration(readConfig({ DATABASE_URL: database.url }), silentLogger)
    await migrate(connection)
    await seedInvented(connection, { count, seed: 1, onProgress: () => {} })
    await sql`analyze products`.execute(connection)
  }
  const environment = { DATABASE_URL: database.url, GRPC_PORT: String(await freePort()), LOG_LEVEL: 'warn' }
  const { url } = stack.use(await startService('product', environment))
  const own = stack.move()
  return { url, [Symbol.asyncDispose]: () => own.disposeAsync() }
}

/** Follows `next_cursor` to the middle of the catalogue. */
const deepPage = async (url: string, count: number): Promise<string> => {
  let cursor = ''
  for (let read = 0; read < count / 2; read += 1_000) {
    const page = await fetch(`${url}/products?limit=1000&sort=price${cursor}`)
    const { next_cursor: next } = (await page.json()) as { next_cursor: string }
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
  return `/products?limit=20&sort=price${cursor}`
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/** Requests a second, on eight connections. */
const rate = async (url: string): Promise<number> => {
  const { requests, non2xx } = await autocannon({ url, connections: 8, duration: roundSeconds })
  if (non2xx > 0) throw new Error(`${url} answered with an error`)
  return requests.mean
}

await run(async () => {
  await using small = await openCatalogue(sizes.small)
  await using large = await openCatalogue(sizes.large)
  const same = (path: string) => [path, path] as const
  const scenarios = {
    'top-10': same('/products/top-10'),
    'deep page': [await deepPage(small.url, sizes.small), await deepPage(large.url, sizes.large)] as const,
    category: same('/products/category/Books?limit=20'),
    'low stock': same('/products/low-stock-1?limit=20'),
  }
  process.stdout.write(
    `Time per request at ${sizes.large} products ÷ at ${sizes.small}: median (min to max) of ${rounds} rounds\n`,
  )
  for (const [name, [smallPath, largePath]] of Object.entries(scenarios)) {
    const ratios: number[] = []
    for (let round = 0; round <= rounds; round++) {
      const ratio = (await rate(small.url + smallPath)) / (await rate(large.url + largePath))
      // The first round warms up.
      if (round > 0) ratios.push(ratio)
    }
    const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((value) => value.toFixed(2))
    process.stdout.write(`${name.padEnd(12)} ${median(ratios).toFixed(2)} (${low} to ${high})\n`)
  }
})
