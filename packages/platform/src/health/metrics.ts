import { Gauge, type Registry } from '@prometheus-io/client'
import type { Health } from './health.ts'

/** Exposes the health report as metrics. Every scrape runs the health checks, so it agrees with `/health`. */
export const exposeHealth = (registry: Registry, health: Health): void => {
  registry.registerMetric(
    new Gauge({
      name: 'service_ready',
      help: '1 while the service is ready for requests, 0 while a required dependency is down or the service is stopping',
      aggregator: 'min',
      registers: [],
      async collect() {
        this.set((await health.report()).status === 'unhealthy' ? 0 : 1)
      },
    }),
  )
  registry.registerMetric(
    new Gauge({
      name: 'dependency_up',
      help: '1 while the dependency responds, otherwise 0',
      labelNames: ['dependency'],
      aggregator: 'min',
      registers: [],
      async collect() {
        const { checks } = await health.report()
        for (const [dependency, { status }] of Object.entries(checks))
          this.set({ dependency }, status === 'up' ? 1 : 0)
      },
    }),
  )
}
