import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { createApp, version } from '../../src/app.ts'
import { readConfig, service } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { type Request, send } from './http.ts'

/** Opens the whole service on the database of these variables, wired as in main.ts. Returns it with its log lines. */
export const openService = async (variables: Readonly<Record<string, string>>) => {
  const stack = new AsyncDisposableStack()
  const { logger, lines } = recordingLogger()
  const metrics = createMetrics(service, version)
  const adapters = stack.use(await openAdapters({ config: readConfig(variables), logger, metrics }))
  const { http, grpc } = stack.use(await createApp(adapters, logger, metrics))
  return {
    lines,
    grpc,
    send: (request: Request) => send(http, request),
    health: async (path = '/health') => (await send(http, { url: path })).json(),
    isReady: async () => (await send(http, { url: '/health/ready' })).statusCode === 200,
    /** Returns the metrics in the format that Prometheus scrapes. */
    scrape: async () => (await send(http, { url: '/metrics' })).body,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
