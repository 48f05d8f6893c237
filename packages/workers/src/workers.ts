import cluster from 'node:cluster'
import { type Host, singleProcess } from '@shop/platform/process/host.ts'
import { supervise } from './supervisor.ts'
import { abortService, connectMetrics, flushMetrics, nextOrder, readyToListen } from './worker.ts'

/**
 * The process of a service that may run as several, all on its port: the first one starts the workers and watches over them,
 * where the configuration asks for more than one.
 */
export const workers: Host = cluster.isWorker
  ? {
      supervise: async () => false,
      logFields: { pid: process.pid },
      scrapeAll: connectMetrics,
      readyToListen,
      nextOrder,
      // Its supervisor ends at once then, and with it a worker that can still hear of it.
      onForce: () => {},
      abortService,
      flushMetrics,
    }
  : {
      ...singleProcess,
      supervise: async (config, logger) => {
        if (config.workers === 1) return false
        await supervise(config, logger)
        return true
      },
    }
