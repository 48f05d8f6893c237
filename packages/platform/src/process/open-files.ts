import { closeSync, openSync, readFileSync } from 'node:fs'
import { connectionReserve } from '../limits/connections.ts'
import type { LimitsConfig } from '../limits/limits.ts'
import { createFailureLog } from '../logging/failure-log.ts'
import type { Logger } from '../logging/logger.ts'
import { every } from '../resilience/every.ts'

/**
 * Files that are no connections of clients. A process has some 35 open, and with the embedded PostgreSQL 140; each
 * connection to a store, of which there are up to 20, and each file of a backup or log is one more.
 */
const ownFiles = 200

const checkIntervalMs = 1_000

/** The number of files that the process may have open, according to /proc; undefined where there is none. */
const openFilesLimit = (): number | undefined => {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** How many connections fit into the limit of open files. Of a very low limit, the clients get the half. */
const possibleConnections = (openFiles: number, operationsFiles: number): number => {
  const otherFiles = ownFiles + connectionReserve.total + operationsFiles
  return Math.max(1, openFiles - Math.min(otherFiles, Math.floor(openFiles / 2)))
}

/**
 * Lowers `maxConnections` to what the limit of open files allows, and says so. Each connection is an open file, and
 * without free ones the stores cannot be reached. `operationsFiles` is how many files the operations port may take.
 */
export const withinOpenFiles = (
  limits: LimitsConfig,
  logger: Pick<Logger, 'warn'>,
  operationsFiles: number,
  openFiles = openFilesLimit(),
): LimitsConfig => {
  if (openFiles === undefined) return limits
  const possible = possibleConnections(openFiles, operationsFiles)
  if (limits.maxConnections <= possible) return limits
  logger.warn(
    { open_files: openFiles, wanted_connections: limits.maxConnections, max_connections: possible },
    'the limit of open files allows fewer connections; raise it (ulimit -n), or lower MAX_CONNECTIONS',
  )
  return { ...limits, maxConnections: possible }
}

/**
 * Logs when no file can be opened. The operating system tells nobody then that it closes new connections. Whoever lowers
 * the limit of a running process, or opens other files, gets there in spite of `withinOpenFiles`.
 */
export const watchOpenFiles = (logger: Logger): Disposable => {
  const failures = createFailureLog(logger, 'no more files or connections can be opened')
  const stopping = new AbortController()
  const check = () => {
    try {
      closeSync(openSync('/dev/null', 'r'))
    } catch (error) {
      failures.record(error)
    }
  }
  if (process.platform === 'linux') void every(checkIntervalMs, check, stopping.signal)
  return {
    [Symbol.dispose]: () => {
      stopping.abort()
      failures.close()
    },
  }
}
