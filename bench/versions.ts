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
import { basketScenarios, catalogScenarios, type Stock, uniformId } from './scenarios.ts'
import { driveGrpc } from './support/grpc-load.ts'
import { throwIfInterrupted } from './support/interrupt.ts'
import { drive, type HttpRequest } from './support/load.ts'
import { processorSeconds, type Server, startServer } from './support/process.ts'
import { openCatalog, post, productionSettings } from './support/shop.ts'

const products = 10_000
const connections = 32
const startCount = 5

type Version = Readonly<{ product: Server; basket: Server; grpc: string; stock: Stock }>

/** Starts both services of a checkout on the shared catalog, with separate baskets. */
const openVersion = async (
  folder: string,
  catalogUrl: string,
  logs: string,
  stack: AsyncDisposableStack,
): Promise<Version> => {
  const grpcPort = String(await freePort())
  const start = async (service: string, environment: Readonly<Record<string, string>>) =>
    stack.use(
      await startServer(join(folder, `services/${service}/src/main.ts`), await freePort(), '/health/ready', {
        ...productionSettings(logs),
        ...environment,
      }),
    )
  const product = await start('product', { DATABASE_URL: catalogUrl, GRPC_PORT: grpcPort })
  const grpc = `127.0.0.1:${grpcPort}`
  const basket = await start('basket', { REDIS_URL: redisUrl, PRODUCT_SERVICE_URL: grpc })
  const fields = { name: 'Pin', price: 0.1, stock: 2_147_483_647, category: 'Home' }
  const { id } = await post(`${product.url}/products`, fields)
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(`basket:${prefix}`))
  const users = Array.from({ length: 500 }, (_, index) => `${prefix}${index}`)
  for (const user of users) await post(`${basket.url}/baskets/${user}/items`, { product_id: id, quantity: 1 })
  return { product, basket, grpc, stock: { products, plentiful: [id], users } }
}

/** Returns the lowest result of each version. After a warm-up, the versions alternate in going first. */
const compare = async (
  versions: readonly Version[],
  rounds: number,
  round: (version: Version) => Promise<number>,
) => {
  const best = versions.map(() => Number.POSITIVE_INFINITY)
  for (const version of versions) await round(version)
  for (let count = 0; count < rounds; count++)
    for (const index of count % 2 === 0 ? [0, 1] : [1, 0]) {
      throwIfInterrupted()
      const version = versions[index]
      if (version !== undefined) best[index] = Math.min(best[index] ?? 0, await round(version))
    }
  return best
}

const report = (name: string, [base = 0, ours = 0]: readonly number[], unit: string): void => {
  const ratio = (base / ours).toFixed(2)
  process.stdout.write(
    `${name.padEnd(20)} ${base.toFixed(1).padStart(9)} ${unit} before ${ours.toFixed(1).padStart(9)} ${unit} now  ${ratio}\n`,
  )
}

const cpuMicrosPerRequest = async (server: Server, load: () => Promise<number>): Promise<number> => {
  const before = processorSeconds(server)
  const requests = await load()
  return ((processorSeconds(server) - before) / requests) * 1e6
}

const httpRound = (
  seconds: number,
  service: 'product' | 'basket',
  requests: (stock: Stock) => readonly HttpRequest[],
) => {
  return async (version: Version) =>
    cpuMicrosPerRequest(version[service], async () => {
      const { url } = version[service]
      const outcome = await drive({ url, requests: requests(version.stock), connections, seconds })
      if (outcome.failed > 0) throw new Error(`${outcome.failed} requests failed`)
      return outcome.rate * seconds
    })
}

const grpcRound = (seconds: number) => (version: Version) =>
  cpuMicrosPerRequest(version.product, async () => {
    const calls = Array.from({ length: 1_000 }, () => [uniformId(products)])
    const load = { address: version.grpc, calls, concurrency: connections, seconds }
    const outcome = await driveGrpc(load)
    if (outcome.failed > 0) throw new Error(`${outcome.failed} calls failed`)
    return outcome.rate * seconds
  })

/**
 * Returns the shortest time until ready of each version, in milliseconds. All starts of a version but the
 * first use its compile cache.
 */
const compareStarts = async (folders: readonly string[], catalogUrl: string, logs: string) => {
  const best = folders.map(() => Number.POSITIVE_INFINITY)
  for (let count = 0; count < startCount; count++)
    for (const [index, folder] of folders.entries()) {
      throwIfInterrupted()
      const environment = {
        ...productionSettings(logs),
        DATABASE_URL: catalogUrl,
        GRPC_PORT: String(await freePort()),
        NODE_COMPILE_CACHE: join(logs, `compiled-${index}`),
      }
      const script = join(folder, 'services/product/src/main.ts')
      await using server = await startServer(script, await freePort(), '/health/ready', environment)
      best[index] = Math.min(best[index] ?? 0, server.readyMs)
    }
  return best
}

await run(async () => {
  const { BASE } = process.env
  if (BASE === undefined)
    throw new OperatorError(
      'Set BASE to the folder of another checkout with installed dependencies, for example BASE=../before.',
    )
  const rounds = numberVariable('ROUNDS', 9, 100)
  const seconds = numberVariable('SECONDS', 2, 60)
  const folders = [resolve(BASE), root]

  await using stack = new AsyncDisposableStack()
  const logs = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(logs, { recursive: true }))
  const { url } = stack.use(await openCatalog(products))
  const versions: Version[] = []
  for (const folder of folders) versions.push(await openVersion(folder, url, logs, stack))

  const only = new RegExp(process.env['ONLY'] ?? '')
  for (const { name, requests } of catalogScenarios.filter((scenario) => only.test(scenario.name)))
    report(name, await compare(versions, rounds, httpRound(seconds, 'product', requests)), 'µs')
  for (const { name, requests, freshBaskets } of basketScenarios)
    if (!freshBaskets && only.test(name))
      report(name, await compare(versions, rounds, httpRound(seconds, 'basket', requests)), 'µs')
  if (only.test('ready')) report('ready', await compareStarts(folders, url, logs), 'ms')
  if (only.test('GetProduct')) report('GetProduct', await compare(versions, rounds, grpcRound(seconds)), 'µs')
})
