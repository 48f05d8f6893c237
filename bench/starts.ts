import { join } from 'node:path'
import { redisUrl } from '@shop/testing/stores/redis.ts'
import type { Settings } from './settings.ts'
import { residentMegabytes, usageOf } from './support/processor-time.ts'
import { type Spread, spreadOf } from './support/report.ts'
import { measureInRounds } from './support/rounds.ts'
import { productionSettings, startProgram } from './support/servers.ts'
import type { Shop } from './support/shop.ts'

export type Start = Readonly<{ readyMs: Spread; cpuMs: Spread; megabytes: Spread }>

/**
 * Starts each program in rounds: the time until it is ready, the CPU time until then, and its resident memory
 * then. The warm-up round fills the compile cache, which every program has.
 */
export const measureStarts = async (shop: Shop, settings: Settings): Promise<Record<string, Start>> => {
  const stores = { DATABASE_URL: shop.databaseUrl, REDIS_URL: redisUrl }
  const compiled = { NODE_COMPILE_CACHE: join(shop.folder, 'compiled') }
  const ours = { ...productionSettings(shop.folder), ...compiled }
  const obvious = { ...stores, ...compiled }
  const logs = { LOG_FILE: join(shop.folder, 'starts.log') }
  // A basket service is ready without the product service.
  const called = { PRODUCT_SERVICE_URL: '127.0.0.1:1' }
  const product = { ...ours, DATABASE_URL: shop.databaseUrl }
  const basket = { ...ours, REDIS_URL: redisUrl, ...called }
  const starts = {
    'product service': () => startProgram('product', product),
    'product service, from sources': () => startProgram('productSources', product),
    'basket service': () => startProgram('basket', basket),
    'basket service, from sources': () => startProgram('basketSources', basket),
    'obvious products': () => startProgram('obviousProduct', obvious),
    'obvious products with logs': () => startProgram('obviousProduct', { ...obvious, ...logs }),
    'obvious baskets': () => startProgram('obviousBasket', { ...obvious, ...called }),
    nest: () => startProgram('nest', { ...obvious, ...logs }),
  }
  const chosen = Object.entries(starts).filter(([name]) => settings.candidates?.test(name) ?? true)
  const measured = await measureInRounds(
    chosen.map(([, start]) => async () => {
      await using server = await start()
      const [seconds = 0] = usageOf([server.pid]).values()
      return { readyMs: server.readyMs, cpuMs: seconds * 1_000, megabytes: residentMegabytes([server.pid]) }
    }),
    settings.rounds,
  )
  return Object.fromEntries(
    chosen.map(([name], index) => {
      const spread = (key: keyof Start) => spreadOf((measured[index] ?? []).map((one) => one[key]))
      return [name, { readyMs: spread('readyMs'), cpuMs: spread('cpuMs'), megabytes: spread('megabytes') }]
    }),
  )
}
