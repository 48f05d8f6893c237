import cluster from 'node:cluster'
import { type Host, singleProcess } from '@shop/platform/process/host.ts'
import { supervise } from './supervisor.ts'
import {
  abortService,
  connectMetrics,
  flushMetrics,
  ignoreSignals,
  nextOrder,
  readyToListen,
} from './worker.ts'

/**
 * The host of a service that can run as several processes on one port. With `config.workers` above 1 the first process
 * supervises the others, which are the workers; with 1 it serves alone.
 */
export const workers: Host = cluster.isWorker
  ? {
      supervise: async () => false,
      isWorker: true,
      logFields: { pid: process.pid },
      handleHangup: ignoreSignals,
      scrapeAll: connectMetrics,
      readyToListen,
      nextOrder,
      // Only the supervisor handles a forced stop. When it exits, its workers are disconnected and exit too.
      onForce: () => {},
      abortService,
      flushMetrics,
    }
  : {
      ...singleProcess,
      supervise: async (service, config, logger) => {
        if (config.workers === 1) return false
        await supervise(service, config, logger)
        return true
      },
    }
