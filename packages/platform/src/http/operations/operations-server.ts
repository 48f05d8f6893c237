import { Registry } from '@prometheus-io/client'
import { connectionReserve } from '../../limits/connections.ts'
import { createLimits, defaultLimits, type Limits, mebibyte } from '../../limits/limits.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import { createHttpServer, type HttpServerOptions } from '../server.ts'

/** Connections of monitoring at the same time. Idle ones are closed when they are nearly used up. */
const maxConnections = 100

/** How many files the connections of the operations port may take: also those that are refused with a response. */
export const operationsFiles = maxConnections + connectionReserve.total

/** How long the closing server waits for running requests: part of the ten seconds that a stopping process has. */
const closeLimitMs = 1_000

/**
 * What all clients of the operations port together may use, apart from the limits of the public ports: monitoring must work
 * when these are used up. One client may use all of it. The gauges of limits are those of the public ports.
 */
const limitsOf = (metrics: Metrics): Limits =>
  createLimits(
    {
      ...defaultLimits,
      maxConnections,
      maxConnectionsPerClient: maxConnections,
      maxRequestBytes: mebibyte,
      maxResponseBytes: 16 * mebibyte,
    },
    'off',
    { ...metrics, registry: new Registry() },
  )

/**
 * Creates the server of OPERATIONS_PORT: health and metrics, and nothing else, as on the public port of a service without that
 * variable. It is never overloaded, asks for no credentials, and lets no pages of other origins read its responses.
 */
export const createOperationsServer = async ({
  documentation,
  version,
  isSecretSegment,
  logger,
  metrics,
  health,
  config: { compression = true, trustProxy = 'off', localNamesOnly = false } = {},
}: HttpServerOptions) => {
  const { app, ...server } = await createHttpServer({
    documentation,
    version,
    isSecretSegment,
    logger,
    metrics,
    health,
    schemas: [],
    routes: async () => {},
    limits: limitsOf(metrics),
    config: { docs: false, corsOrigins: 'off', compression, trustProxy, localNamesOnly },
  })
  return {
    ...server,
    /** Connections that are still open after a second are destroyed. */
    close: async (): Promise<void> => {
      const limit = setTimeout(() => app.server.closeAllConnections(), closeLimitMs)
      await app.close().finally(() => clearTimeout(limit))
    },
  }
}
