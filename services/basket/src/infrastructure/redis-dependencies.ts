import { AppError } from '@shop/kernel/errors.ts'
import type { Dependency } from '@shop/platform/health/health.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { every } from '@shop/platform/resilience/every.ts'
import type { RedisStore } from '@shop/redis/store.ts'
import { keyPrefix } from './redis-basket-repository.ts'

type Commands = Pick<RedisStore, 'ping' | 'pingReplicas' | 'checkAccess' | 'writeDefect' | 'evictionDefect'>

/** The pause between two checks, so that a defect is logged even if health is never requested. */
const watchPauseMs = 5_000

/** Returns a probe that rejects with the defect. Logs each defect once, and its end. */
const probeOf = (check: string, readDefect: () => Promise<string | undefined>, logger: Logger) => {
  let logged: string | undefined
  return async () => {
    const defect = await readDefect()
    if (defect !== logged && defect !== undefined)
      logger.warn({ check, reason: defect }, 'health check failing')
    if (defect !== logged && defect === undefined) logger.info({ check }, 'health check passing again')
    logged = defect
    if (defect !== undefined) throw new AppError('unavailable', defect)
  }
}

/**
 * The health checks of Redis. Only those are required where another instance could do better: all instances share
 * Redis, so if it serves reads but no writes, the service is degraded (docs/decisions/0021-read-only-stores.md).
 */
export const redisDependencies = (
  commands: Commands,
  waitReplicas: number,
  logger: Logger,
): Disposable & Readonly<{ dependencies: readonly Dependency[] }> => {
  const writes = probeOf('redis-writes', () => commands.writeDefect(keyPrefix), logger)
  const eviction = probeOf('redis-eviction', commands.evictionDefect, logger)
  const required = () => Promise.all([commands.ping(), commands.checkAccess(keyPrefix)])
  const stopping = new AbortController()
  const watch = () => Promise.allSettled([writes(), eviction()])
  void every(watchPauseMs, watch, stopping.signal)
  return {
    dependencies: [
      { name: 'redis', required: true, probe: required },
      { name: 'redis-writes', required: false, probe: writes },
      { name: 'redis-eviction', required: false, probe: eviction },
      ...(waitReplicas > 0
        ? [{ name: 'redis-replicas', required: false, probe: commands.pingReplicas }]
        : []),
    ],
    [Symbol.dispose]: () => stopping.abort(),
  }
}
