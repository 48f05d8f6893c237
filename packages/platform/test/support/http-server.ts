import { type AddressInfo, connect } from 'node:net'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import type { FastifyInstance } from 'fastify'
import { createHealth, type Dependency } from '../../src/health/health.ts'
import { createHttpServers } from '../../src/http/operations/http-servers.ts'
import type { GuestOf } from '../../src/http/rates/rate-limits.ts'
import type { HttpConfig, HttpServerOptions } from '../../src/http/server.ts'
import { createLimits, defaultLimits, type LimitsConfig } from '../../src/limits/limits.ts'
import { createRates } from '../../src/limits/rates/rates.ts'
import { createRequestRates, type RatesConfig } from '../../src/limits/rates/request-rates.ts'
import { listenOn } from '../../src/listen.ts'
import type { Logger } from '../../src/logging/logger.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import type { TlsConfig } from '../../src/tls/config.ts'
import { openTls } from '../../src/tls/open-tls.ts'

type Options = Readonly<{
  routes?: FastifyPluginAsyncTypebox
  dependencies?: readonly Dependency[]
  logger?: Logger
  config?: Partial<HttpConfig>
  limits?: Partial<LimitsConfig>
  problemMembers?: HttpServerOptions['problemMembers']
  documentation?: Partial<HttpServerOptions['documentation']>
  maxBodyBytes?: number
  identity?: HttpServerOptions['identity']
  isSecretSegment?: HttpServerOptions['isSecretSegment']
  tls?: TlsConfig
  /** How often handshakes are checked. */
  handshakeCheckMs?: number
  rates?: RatesConfig
  guestOf?: GuestOf
}>

/** Creates the HTTP servers of the services with a recording logger. They do not listen. Disposing of the result closes them. */
export const startServer = async ({
  routes,
  dependencies = [],
  logger,
  config = {},
  limits = {},
  problemMembers,
  documentation,
  maxBodyBytes,
  identity,
  isSecretSegment,
  tls: files,
  handshakeCheckMs,
  rates: ratesConfig,
  guestOf,
}: Options = {}) => {
  const recording = recordingLogger()
  const metrics = createMetrics('test-service', '1.0.0')
  const health = createHealth('test-service', '1.0.0', dependencies)
  const shared = createLimits({ ...defaultLimits, ...limits }, config.trustProxy ?? 'off', metrics)
  const rates = createRates({ processes: 1, logger: recording.logger, metrics })
  const tls = openTls(files, { logger: logger ?? recording.logger, metrics }, handshakeCheckMs)
  const { app, listen, stopListening, beginDrain, closeOperations } = await createHttpServers({
    documentation: { title: 'Test service', ...documentation },
    version: '1.0.0',
    schemas: [],
    ...(problemMembers && { problemMembers }),
    ...(maxBodyBytes && { maxBodyBytes }),
    isSecretSegment,
    routes: routes ?? (async () => {}),
    logger: logger ?? recording.logger,
    metrics,
    health,
    limits: shared,
    identity,
    tls,
    rates: createRequestRates(rates, metrics, ratesConfig),
    guestOf,
    config,
  })
  return {
    app,
    /** Resolves with the port. */
    listen: async (port: number, host: string) =>
      (await listenOn(host, (address) => listen(port, address)))[0] ?? 0,
    stopListening,
    beginDrain,
    closeOperations,
    lines: recording.lines,
    limits: shared,
    metrics,
    health,
    jobs: tls?.jobs ?? [],
    activeRequests: async () => {
      const text = await metrics.registry.getSingleMetricAsString('http_server_active_requests')
      return Number(/^http_server_active_requests\S* (\d+)$/m.exec(text)?.[1])
    },
    [Symbol.asyncDispose]: async () => {
      await app.close()
      await closeOperations()
    },
  }
}

/** Lets the server listen and sends a GET over a new connection. Resolves with a function that resets it. */
export const startRequest = async (app: FastifyInstance, path: string): Promise<() => void> => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
  return () => void socket.resetAndDestroy()
}
