import { AppError } from '@shop/kernel/errors.ts'
import { afterResponsiveTime } from '../resilience/responsive-timer.ts'

/**
 * A dependency of the service. `probe` rejects while the dependency is down, and may stop when the signal
 * aborts. The service is not ready while a required dependency is down, and degraded while an optional one
 * is.
 */
export type Dependency = Readonly<{
  name: string
  required: boolean
  probe: (signal: AbortSignal) => Promise<unknown>
}>

/** `reason` is why the dependency is down, if the error may be shown to callers. */
export type Check = Readonly<{ status: 'up' | 'down'; latency_ms: number; reason?: string }>

export type HealthReport = Readonly<{
  service: string
  status: 'healthy' | 'degraded' | 'unhealthy'
  timestamp: string
  version: string
  checks: Readonly<Record<string, Check>>
}>

const probeTimeoutMs = 1_000

/** Rejects with `unavailable` if the probe takes too long. Time in which this process was stalled does not count: nobody else took it. */
const probeWithDeadline = async ({ name, probe }: Dependency): Promise<unknown> => {
  const controller = new AbortController()
  const expired = Promise.withResolvers<never>()
  using _ = afterResponsiveTime(probeTimeoutMs, () => {
    const error = new AppError('unavailable', `${name} did not respond`)
    controller.abort(error)
    expired.reject(error)
  })
  return await Promise.race([probe(controller.signal), expired.promise])
}

const check = async (dependency: Dependency): Promise<Check> => {
  const started = performance.now()
  const latency = () => Math.round((performance.now() - started) * 100) / 100
  try {
    await probeWithDeadline(dependency)
    return { status: 'up', latency_ms: latency() }
  } catch (error) {
    const reason = error instanceof AppError ? { reason: error.message } : {}
    return { status: 'down', latency_ms: latency(), ...reason }
  }
}

/**
 * Creates the health checks of a service. A report probes all dependencies in parallel, for at most a second in
 * which this process runs.
 * Reports that are requested during the probes share their results.
 */
export const createHealth = (service: string, version: string, dependencies: readonly Dependency[]) => {
  let stopping = false
  let running: Promise<Record<string, Check>> | undefined

  const checkAll = () => {
    running ??= Promise.all(
      dependencies.map(async (dependency) => [dependency.name, await check(dependency)] as const),
    )
      .then((entries) => Object.fromEntries(entries))
      .finally(() => {
        running = undefined
      })
    return running
  }

  return {
    report: async (): Promise<HealthReport> => {
      const results = await checkAll()
      const down = dependencies.filter(({ name }) => results[name]?.status === 'down')
      const unhealthy = stopping || down.some(({ required }) => required)
      const status = unhealthy ? 'unhealthy' : down.length > 0 ? 'degraded' : 'healthy'
      return { service, status, timestamp: new Date().toISOString(), version, checks: results }
    },
    /** Reports the service as not ready from now on, so that load balancers send no more requests to it. */
    stop: () => {
      stopping = true
    },
    isStopping: () => stopping,
  }
}

export type Health = ReturnType<typeof createHealth>
