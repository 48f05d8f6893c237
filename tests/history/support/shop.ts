import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { mutableProxyOn } from '@shop/testing/services/tcp.ts'
import type { Fault } from './faults.ts'
import { linkFaults, startProcess } from './process-under-test.ts'
import type { Product } from './requests.ts'
import { type Engine, startStore } from './stores.ts'

/** Little of some products is in stock, so that adds are refused. */
const stocks = [999_999, 999_999, 60, 8] as const

/** Starts a product service, which shops can share, and returns its products. */
export const startCatalog = async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'history-products-')))
  const grpcPort = await freePort()
  const environment = { LOG_LEVEL: 'error', DATA_DIR: folder.path, GRPC_PORT: String(grpcPort) }
  const service = stack.use(await startService('product', environment))
  const products: Product[] = []
  for (const [index, stock] of stocks.entries()) {
    const fields = { name: `Product ${index}`, price: 1 + index / 4, stock, category: 'Things' }
    const { body } = await request('POST', `${service.url}/products`, fields)
    products.push({ id: body.id, stock })
  }
  const owned = stack.move()
  return { grpcPort, products, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const outage = (proxy: ReturnType<typeof mutableProxyOn>): Fault => ({
  kind: 'product service down',
  run: async (random) => {
    await proxy.stop()
    await delay(random.between(300, 1_500))
    await proxy.start()
  },
})

export type Catalog = Awaited<ReturnType<typeof startCatalog>>

type Options = Readonly<{
  engine: Engine
  catalog: Catalog
  /** A program that each basket service loads first, with a defect to find. */
  defect?: string | undefined
}>

/** Starts two processes of the basket service on one store, and prepares what can go wrong. */
export const startShop = async ({ engine, catalog, defect }: Options) => {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await startStore(engine))
  const startBasket = async (environment: Readonly<Record<string, string>>) => {
    const proxyPort = await freePort()
    const toCatalog = stack.use(mutableProxyOn(proxyPort, { host: '127.0.0.1', port: catalog.grpcPort }))
    await toCatalog.start()
    const own = { PRODUCT_SERVICE_URL: `127.0.0.1:${proxyPort}`, NEW_BASKETS_PER_HOUR: '0' }
    const basket = stack.use(await startProcess({ environment: { ...own, ...environment }, defect }))
    const faults = [...basket.faults, ...linkFaults('the product service', toCatalog, 800), outage(toCatalog)]
    return { ...basket, faults }
  }
  const processes: Awaited<ReturnType<typeof startBasket>>[] = []
  for (const environment of store.environments) processes.push(await startBasket(environment))
  const owned = stack.move()
  return {
    urls: processes.map(({ url }) => url),
    products: catalog.products,
    /** Faults of services and their connections, and those of the store: one of each may happen at the same time. */
    faults: { services: processes.flatMap(({ faults }) => faults), store: store.faults },
    failovers: store.failovers,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export type Shop = Awaited<ReturnType<typeof startShop>>
