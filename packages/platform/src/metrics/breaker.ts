import { Gauge, type Registry } from '@prometheus-io/client'
import { type BreakerState, breakerStates } from '../resilience/breaker.ts'

/** Registers the gauge. `breakerGauge(registers)(name)` returns a function that records the breaker's state. */
export const breakerGauge = (registers: Registry[]) => {
  const gauge = new Gauge({
    name: 'circuit_breaker_state',
    help: '1 for the current state of the circuit breaker (closed, half_open, open), otherwise 0',
    labelNames: ['circuit_breaker', 'state'],
    aggregator: 'max',
    registers,
  })
  return (name: string) => (current: BreakerState) => {
    for (const state of breakerStates) gauge.set({ circuit_breaker: name, state }, state === current ? 1 : 0)
  }
}
