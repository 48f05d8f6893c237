/** The product service twice, with and without metrics that record, for overhead.ts. */

import type { AddressInfo } from 'node:net'
import { createMetrics, type Metrics } from '@shop/platform/metrics/metrics.ts'
import { singleProcess } from '@shop/platform/process/host.ts'
import { run, untilStopped } from '@shop/platform/process/lifecycle.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { createApp, version } from '../../services/product/src/app.ts'
import { readConfig, service } from '../../services/product/src/config.ts'
import { openAdapters } from '../../services/product/src/infrastructure/adapters.ts'

/** Metrics that record no requests, calls, operations or use cases. */
const createNoopMetrics = (): Metrics => {
  const metrics = createMetrics(service, version)
  const { httpRequestDuration, rpcServerDuration, rpcClientDuration, dbOperationDuration, useCaseDuration } =
    metrics
  for (const duration of [
    httpRequestDuration,
    rpcServerDuration,
    rpcClientDuration,
    dbOperationDuration,
    useCaseDuration,
  ])
    duration.observe = () => {}
  Object.assign(metrics.httpActiveRequests, { inc: () => {}, dec: () => {} })
  return metrics
}

const openService = async (recording: boolean) => {
  const stack = new AsyncDisposableStack()
  const metrics = recording ? createMetrics(service, version) : createNoopMetrics()
  const config = readConfig(process.env)
  const adapters = stack.use(
    await openAdapters({ config, logger: silentLogger, ...(recording && { metrics }) }),
  )
  const app = stack.use(await createApp(adapters, silentLogger, metrics))
  await app.http.listen({ host: '127.0.0.1', port: await freePort() })
  const { port } = app.http.server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/**
 * Runs both services. Sends their ports to the parent, then the CPU usage of this process for every message.
 */
const serve = async (): Promise<void> => {
  await using recording = await openService(true)
  await using noop = await openService(false)
  process.on('message', () => void process.send?.(process.cpuUsage()))
  process.send?.([recording.port, noop.port])
  await untilStopped(silentLogger, { delayMs: 0 }, singleProcess, () => {})
  process.disconnect?.()
}

await run(serve)
