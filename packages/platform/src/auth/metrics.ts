import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import { kindOf } from '@shop/kernel/errors.ts'

type Kind = 'api_key' | 'token' | 'malformed'

/** Registers the counter of credentials that were checked. Returns functions that count. */
export const authenticationCounter = (registry: Registry) => {
  const counter = new Counter({
    name: 'authentications_total',
    help: 'Credentials that were checked; outcome is accepted, refused, or unavailable if they could not be checked',
    labelNames: ['credentials', 'outcome'],
    registers: [registry],
  })
  const labels = (credentials: Kind, outcome: string) => {
    const set = { credentials, outcome }
    // Prometheus needs the 0 to notice the first.
    counter.inc(set, 0)
    return set
  }
  const accepted = { api_key: labels('api_key', 'accepted'), token: labels('token', 'accepted') }
  const refused = {
    api_key: labels('api_key', 'refused'),
    token: labels('token', 'refused'),
    malformed: labels('malformed', 'refused'),
  }
  const unavailable = labels('token', 'unavailable')
  return {
    accepted: (kind: keyof typeof accepted): void => counter.inc(accepted[kind]),
    failed: (kind: Kind, error: unknown): void =>
      counter.inc(kindOf(error) === 'unauthenticated' ? refused[kind] : unavailable),
  }
}

/** Registers the gauge of the age of the keys that tokens are checked with. Returns a function to call after each attempt to load them. */
export const tokenKeysAge = (registry: Registry) => {
  let loadedAt = performance.now()
  registry.registerMetric(
    new Gauge({
      name: 'token_keys_age_seconds',
      help: 'Time since the keys of the token issuer were last loaded; before the first time, since the start',
      aggregator: 'max',
      registers: [],
      collect() {
        this.set((performance.now() - loadedAt) / 1_000)
      },
    }),
  )
  return (outcome: 'ok' | 'failed'): void => {
    if (outcome === 'ok') loadedAt = performance.now()
  }
}
