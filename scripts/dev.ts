import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { listenOn } from '@shop/platform/listen.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { readConfig as readBasketConfig } from '../services/basket/src/config.ts'
import { readConfig as readProductConfig } from '../services/product/src/config.ts'

const healthyLimitMs = 60_000

const root = join(import.meta.dirname, '..')

/** Rejects if the port is in use, or the services cannot listen on the host. */
const requireFreePort = async (host: string, port: number): Promise<void> => {
  await listenOn(host, async (address) => {
    const server = createServer().listen(port, address)
    await once(server, 'listening')
    server.close()
  })
}

/** The host under which this machine reaches a service that listens on `host`, as part of a URL. */
const reachable = (host: string): string => {
  if (host === '::' || host === '0.0.0.0') return 'localhost'
  return isIPv6(host) ? `[${host}]` : host
}

/** Starts a service in its own process group, so that Ctrl-C does not signal it: `stopAll` does. */
const start = (service: string, env: NodeJS.ProcessEnv): ChildProcess =>
  spawn(
    process.execPath,
    // Watches folders, not files, because many editors replace a file when they save it.
    [
      ...[`services/${service}/src`, 'packages'].map((folder) => `--watch-path=${join(root, folder)}`),
      '--watch-preserve-output',
      join(root, `services/${service}/src/main.ts`),
    ],
    { env, stdio: ['ignore', 'inherit', 'inherit'], detached: true },
  )

/** Checks health, not readiness: the basket service is ready before it can reach the product service. */
const isHealthy = async (url: string): Promise<boolean> => {
  try {
    const report: unknown = await (
      await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) })
    ).json()
    return typeof report === 'object' && report !== null && 'status' in report && report.status === 'healthy'
  } catch {
    return false
  }
}

const untilHealthy = async (url: string): Promise<void> => {
  const deadline = performance.now() + healthyLimitMs
  while (!(await isHealthy(url))) {
    if (performance.now() > deadline)
      throw new OperatorError(
        `The service at ${url} did not become healthy within a minute; see the log above.`,
      )
    await delay(200)
  }
}

const stopAll = async (children: readonly ChildProcess[]): Promise<void> => {
  const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  const exited = running.map((child) => once(child, 'exit'))
  for (const child of running) child.kill('SIGTERM')
  await Promise.all(exited)
}

const welcomeMessage = (product: string, grpc: string, basket: string): string => `
The shop is running.

  Product service  ${product}  docs: ${product}/docs  gRPC: ${grpc}
  Basket service   ${basket}  docs: ${basket}/docs

Try:

  curl ${product}/products/top-5
  curl -X POST ${basket}/baskets/user123/items -H 'Content-Type: application/json' -d '{"product_id": 1, "quantity": 2}'
  curl ${basket}/baskets/user123

Ctrl-C stops both.

`

await run(async () => {
  // Both services read `PORT`, so here each has a variable of its own.
  const productPort = numberVariable('PRODUCT_PORT', 8080, 65_535)
  const basketPort = numberVariable('BASKET_PORT', 8081, 65_535)
  const productEnv = { ...process.env, PORT: String(productPort) }
  const product = readProductConfig(productEnv)
  const host = reachable(product.http.host)
  const grpcAddress = `${host}:${product.grpc.port}`
  const basketEnv = {
    ...process.env,
    // Empty counts as not set.
    PRODUCT_SERVICE_URL: process.env['PRODUCT_SERVICE_URL'] || grpcAddress,
    PORT: String(basketPort),
  }
  const basket = readBasketConfig(basketEnv)
  const ports = [product.http.port, product.grpc.port, basket.http.port]
  if (new Set(ports).size < ports.length)
    throw new OperatorError('PRODUCT_PORT, GRPC_PORT and BASKET_PORT must differ.')
  for (const port of ports) await requireFreePort(product.http.host, port)

  const children = [
    start('product', { RELATED_DOCS_URL: `http://${host}:${basketPort}/docs`, ...productEnv }),
    start('basket', { RELATED_DOCS_URL: `http://${host}:${productPort}/docs`, ...basketEnv }),
  ]
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
    for (const child of children) child.once('exit', () => resolve())
  })
  try {
    const announce = async () => {
      // One after the other: the basket service becomes healthy only after the product service, and earlier
      // checks would fill its log.
      const productUrl = `http://${host}:${product.http.port}`
      const basketUrl = `http://${host}:${basket.http.port}`
      for (const url of [productUrl, basketUrl]) await untilHealthy(url)
      process.stdout.write(welcomeMessage(productUrl, grpcAddress, basketUrl))
    }
    await Promise.race([stopped, announce()])
    await stopped
  } finally {
    await stopAll(children)
  }
})
