import {
  type GetProductRequest,
  type ProductResponse,
  ProductServiceClient,
  ProductServiceService,
} from '@shop/contracts/product/product.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { channelTo } from '../../src/grpc/channel.ts'
import { callUnary } from '../../src/grpc/client.ts'
import { createGrpcServer, type GrpcServerOptions } from '../../src/grpc/server.ts'
import { createLimits, defaultLimits, type LimitsConfig } from '../../src/limits/limits.ts'
import { createRates } from '../../src/limits/rates/rates.ts'
import { createRequestRates, type RatesConfig } from '../../src/limits/rates/request-rates.ts'
import { listenOn } from '../../src/listen.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import type { TlsConfig } from '../../src/tls/config.ts'
import { openTls } from '../../src/tls/open-tls.ts'

type GetProduct = (request: GetProductRequest) => Promise<ProductResponse>

type Options = Pick<
  GrpcServerOptions,
  'isOverloaded' | 'trustProxy' | 'limits' | 'identify' | 'writes' | 'callTimes' | 'connectionTimes'
> &
  Readonly<{
    port?: number
    host?: string
    /** Of the server's own limits, if none are given. */
    limitsConfig?: Partial<LimitsConfig>
    ratesConfig?: RatesConfig
    extensions?: Parameters<typeof createGrpcServer>[3]
    tls?: TlsConfig
    /** How often handshakes are checked. */
    handshakeCheckMs?: number
  }>

/** Starts a product service that implements only GetProduct; disposing of it closes the server. */
export const startService = async (getProduct: GetProduct, given: Options = {}) => {
  const { port = 0, host = '::', limitsConfig = {}, extensions = [], tls: files, ...options } = given
  const { logger, lines } = recordingLogger()
  const metrics = createMetrics('test-service', '1.0.0')
  const config = { ...defaultLimits, ...limitsConfig }
  const limits = given.limits ?? createLimits(config, options.trustProxy ?? 'off', metrics)
  const created = createRates({ processes: 1, logger, metrics })
  const rates = createRequestRates(created, metrics, given.ratesConfig)
  const tls = openTls(files, { logger, metrics }, given.handshakeCheckMs)
  const observers = { logger, metrics, rates, ...options, limits, tls }
  const server = createGrpcServer(ProductServiceService, { getProduct }, observers, extensions)
  const [boundPort = 0] = await listenOn(host, (address) => server.listen(port, address))
  return {
    ...server,
    port: boundPort,
    lines,
    metrics,
    limits,
    jobs: tls?.jobs ?? [],
    [Symbol.asyncDispose]: () => server.close(),
  }
}

/** Opens a client of the product service on this port; disposing of it closes the channel. */
export const openClient = (port: number, host = '127.0.0.1', reads: readonly string[] = []) => {
  const client = new ProductServiceClient(...channelTo(`${host}:${port}`, reads))
  return {
    client,
    getProduct: (id: number, deadlineMs = 5_000) =>
      callUnary(client.getProduct.bind(client), { id }, deadlineMs),
    [Symbol.dispose]: () => client.close(),
  }
}
