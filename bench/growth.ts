/** What a list costs on a large catalogue, as a ratio to a small one: both measured in turns, in the same run. */

import { run } from '@shop/platform/lifecycle.ts'
import { freePort, startService } from '../tests/support/services.ts'
import { drive } from './support/load.ts'
import { ratioText, spreadOf } from './support/report.ts'
import { openCatalogue } from './support/shop.ts'

const sizes = { small: 10_000, large: 1_000_000 }
const rounds = 7
const roundSeconds = 2

const openService = async (count: number) => {
  await using stack = new AsyncDisposableStack()
  const catalogue = stack.use(await openCatalogue(count))
  const environment = {
    DATABASE_URL: catalogue.url,
    GRPC_PORT: String(await freePort()),
    LOG_LEVEL: 'warn',
  }
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

/** Requests a second, on eight connections. */
const rate = async (url: string, path: string): Promise<number> => {
  const requests = [{ method: 'GET', path }] as const
  const outcome = await drive({ url, requests, connections: 8, seconds: roundSeconds })
  if (outcome.failed > 0) throw new Error(`${url} answered with an error`)
  return outcome.rate
}

await run(async () => {
  await using small = await openService(sizes.small)
  await using large = await openService(sizes.large)
  const same = (path: string) => [path, path] as const
  const scenarios = {
    'top-10': same('/products/top-10'),
    'deep page': [await deepPage(small.url, sizes.small), await deepPage(large.url, sizes.large)] as const,
    category: same('/products/category/Books?limit=20'),
    'low stock': same('/products/low-stock-1?limit=20'),
  }
  process.stdout.write(
    `Time per request at ${sizes.large} products ÷ at ${sizes.small}: median (least–greatest) of ${rounds} rounds\n`,
  )
  for (const [name, [smallPath, largePath]] of Object.entries(scenarios)) {
    const ratios: number[] = []
    for (let round = 0; round <= rounds; round++) {
      const ratio = (await rate(small.url, smallPath)) / (await rate(large.url, largePath))
      // The first round warms up.
      if (round > 0) ratios.push(ratio)
    }
    process.stdout.write(`${name.padEnd(12)} ${ratioText(spreadOf(ratios))}\n`)
  }
})
