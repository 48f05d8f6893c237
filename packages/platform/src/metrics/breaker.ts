import { Gauge, type Registry } from '@prometheus-io/client'
import { type BreakerState, breakerStates } from '../resilience/breaker.ts'

/** A function for the name of a breaker, which gives one to tell every state of that breaker. */
export const breakerGauge = (registers: Registry[]) => {
  const gauge = new Gauge({
    name: 'circuit_breaker_state',
    help: '1 for the current state of the circuit breaker (closed, half_open, open), otherwise 0',
    labelNames: ['circuit_breaker', 'state'],
    aggregator: 'max',
    registers,
  })
  return (name: string) => (now: BreakerState) => {
    for (const state of breakerStates) gauge.set({ circuit_breaker: name, state }, state === now ? 1 : 0)
  }
}
