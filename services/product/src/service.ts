import { runService } from '@shop/platform/process/run-service.ts'
import { workers } from '@shop/workers/workers.ts'
import { createApp, version } from './app.ts'
import { readConfig, service } from './config.ts'
import { openAdapters } from './infrastructure/adapters.ts'

await runService({ service, version, readConfig, openAdapters, createApp }, workers)
