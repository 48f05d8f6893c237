import { withDeadline } from '../resilience/deadline.ts'

/** A dependency and how to ask after it, until the signal aborts. A service without a `hard` one is not ready; without a soft one, degraded. */
export type Dependency = Readonly<{
  name: string
  required: boolean
  probe: (signal: AbortSignal) => Promise<unknown>
}>

export type Check = Readonly<{ status: 'up' | 'down'; latency_ms: number }>

export type HealthReport = Readonly<{
  service: string
  status: 'healthy' | 'degraded' | 'unhealthy'
  timestamp: string
  version: string
  checks: Readonly<Record<string, Check>>
}>

const probeTimeoutMs = 1_000

const check = async ({ name, probe }: Dependency): Promise<Check> => {
  const started = performance.now()
  const signal = AbortSignal.timeout(probeTimeoutMs)
  const status = await withDeadline(probeTimeoutMs, `${name} did not answer`, probe(signal)).then(
    () => 'up' as const,
    () => 'down' as const,
  )
  return { status, latency_ms: Math.round((performance.now() - started) * 100) / 100 }
}

/** Asks every dependency, at the same time and for at most a second; requests that come meanwhile share the answer. */
export const createHealth = (service: string, version: string, dependencies: readonly Dependency[]) => {
  let stopping = false
  let asked: Promise<Record<string, Check>> | undefined

  const checks = () => {
    asked ??= Promise.all(dependencies.map(async (one) => [one.name, await check(one)] as const))
      .then((entries) => Object.fromEntries(entries))
      .finally(() => {
        asked = undefined
      })
    return asked
  }

  return {
    report: async (): Promise<HealthReport> => {
      const results = await checks()
      const down = dependencies.filter(({ name }) => results[name]?.status === 'down')
      const unhealthy = stopping || down.some(({ required }) => required)
      const status = unhealthy ? 'unhealthy' : down.length > 0 ? 'degraded' : 'healthy'
      return { service, status, timestamp: new Date().toISOString(), version, checks: results }
    },
    /** From now on not ready, so that balancers send no more; called when the shutdown begins. */
    stop: () => {
      stopping = true
    },
    isStopping: () => stopping,
  }
}

export type Health = ReturnType<typeof createHealth>
