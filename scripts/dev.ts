import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import type { HealthReport } from '@shop/platform/health/health.ts'
import { listenOn } from '@shop/platform/listen.ts'
import { run, stopLimitMs } from '@shop/platform/process/lifecycle.ts'
import { backoff } from '@shop/platform/resilience/backoff.ts'
import { readDevConfig } from './dev/config.ts'
import { startWatched } from './dev/watched-service.ts'
import { welcomeMessage } from './dev/welcome.ts'

const root = join(import.meta.dirname, '..')

const healthyLimitMs = 60_000

/** Rejects if the port is in use, or the services cannot listen on the host. */
const requireFreePort = async (host: string, port: number, variable: string): Promise<void> => {
  try {
    await listenOn(host, async (address) => {
      const server = createServer().listen(port, address)
      await once(server, 'listening')
      server.close()
    })
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE')) throw cause
    throw new OperatorError(
      `Port ${port} is in use: stop the process that listens on it, or set ${variable} to another port.`,
      { cause },
    )
  }
}

/** The host under which this machine reaches a service that listens on `host`, as part of a URL. */
const reachable = (host: string): string => {
  if (host === '::' || host === '0.0.0.0') return 'localhost'
  return isIPv6(host) ? `[${host}]` : host
}

/** Errors of a handshake. They do not go away by waiting. */
const untrusted = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_)/

/** Throws if `error`, of a fetch, says that this process does not trust the certificate of the service. */
const requireTrust = (error: unknown): void => {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error && 'code' in cause && untrusted.test(String(cause.code)))) return
  throw new OperatorError(
    `make dev does not trust the certificate in TLS_CERT_FILE (${String(cause.code)}): set NODE_EXTRA_CA_CERTS to the file of the authority that signed it.`,
    { cause: error },
  )
}

/**
 * Returns why the service is not healthy; undefined if it is. Asks for health, not readiness: the basket service is ready
 * before it can reach the product service.
 */
const unhealthyReason = async (url: string): Promise<string | undefined> => {
  try {
    const report = (await (
      await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) })
    ).json()) as HealthReport
    const down = Object.entries(report.checks).filter(([, { status }]) => status === 'down')
    return report.status === 'healthy'
      ? undefined
      : `down: ${down.map(([name, { reason }]) => (reason === undefined ? name : `${name} (${reason})`)).join(', ')}`
  } catch (error) {
    requireTrust(error)
    return 'it does not respond'
  }
}

const untilHealthy = async (name: string, url: string): Promise<void> => {
  const deadline = performance.now() + healthyLimitMs
  for (let failed = 0; ; failed++) {
    const reason = await unhealthyReason(url)
    if (reason === undefined) return
    if (performance.now() > deadline)
      throw new OperatorError(
        `The ${name} service has not become healthy within a minute (${reason}): its log above says why.`,
      )
    // Each question is a line of the log.
    await delay(backoff(failed, { first: 200, last: 2_000 }))
  }
}

/** How long the process of a service has to end by itself, at its own limit. */
const graceMs = 2_000

const start = (name: 'product' | 'basket', delayMs: number, env: NodeJS.ProcessEnv) => {
  const sources = join(root, `services/${name}/src`)
  return startWatched(
    { name, main: join(sources, 'main.ts'), folders: [sources, join(root, 'packages')] },
    env,
    delayMs + stopLimitMs + graceMs,
  )
}

/**
 * Resolves when somebody stops the services, or closes the terminal. Further signals are ignored, because the process must
 * outlive the services: make passes SIGTERM on to a process that has got it already. Those that do not end are killed.
 */
const untilSignal = () =>
  new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })

await run(async () => {
  const { scheme, host, listenHost, grpcAddress, ports, productEnv, basketEnv, delayMs } =
    readDevConfig(reachable)
  for (const [variable, port] of Object.entries(ports)) await requireFreePort(listenHost, port, variable)
  const productUrl = `${scheme}://${host}:${ports.PRODUCT_PORT}`
  const basketUrl = `${scheme}://${host}:${ports.BASKET_PORT}`

  // The terminal may close, and a program that reads the output may end: the services must still be stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const stopped = untilSignal()
  const services = [
    {
      url: productUrl,
      ...start('product', delayMs, { RELATED_DOCS_URL: `${basketUrl}/docs`, ...productEnv }),
    },
    { url: basketUrl, ...start('basket', delayMs, { RELATED_DOCS_URL: `${productUrl}/docs`, ...basketEnv }) },
  ]
  const announce = async () => {
    // One after the other: the basket service becomes healthy only after the product service, and earlier
    // checks would fill its log.
    for (const { name, url } of services) await untilHealthy(name, url)
    for (const { setUp } of services) setUp()
    process.stdout.write(
      welcomeMessage({ product: productUrl, grpc: grpcAddress, basket: basketUrl }, process.env),
    )
  }
  try {
    await Promise.race([stopped, announce(), ...services.map(({ failed }) => failed)])
    await stopped
  } finally {
    await Promise.all(services.map(({ stop }) => stop()))
  }
})
