import { Counter, type Registry } from '@prometheus-io/client'
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
