import { run, untilStopped } from '@shop/platform/lifecycle.ts'
import { createLogger } from '@shop/platform/logger.ts'
import { createMetrics } from '@shop/platform/metrics.ts'
import { isSupervisor, supervise } from '@shop/platform/supervisor.ts'
import { startTracing } from '@shop/platform/tracing.ts'
import { createApp, service, version } from './app.ts'
import { readConfig } from './config.ts'
import { openAdapters } from './infrastructure/adapters.ts'

await run(async () => {
  const config = readConfig(process.env)
  const logger = await createLogger(service, config)
  if (isSupervisor(config)) return supervise(config, logger)
  await using _ = await startTracing({ service, version }, config, logger)
  const metrics = createMetrics(service, version)
  await using adapters = await openAdapters(config, logger, metrics)
  await using app = await createApp(adapters, logger, metrics, config)
  await app.listen(config)
  await untilStopped(logger, config, app.announce)
})
