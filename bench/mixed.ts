import { shoppingMix } from './scenarios.ts'
import { type Settings, usualConnections } from './settings.ts'
import { type Candidate, compareCandidates, measure, type Summary } from './support/comparison.ts'
import type { DriverLoad } from './support/load/driver.ts'
import { driveInChild } from './support/load/http-load.ts'
import { type Spread, spreadOf } from './support/report.ts'
import { measureInRounds } from './support/rounds.ts'
import type { Shop } from './support/shop.ts'

const parts = [0.3, 0.6, 0.8]
const maxRounds = 3
const capacitySeconds = 2
/** An arrival that finds all of them busy waits for one. */
const openConnections = 128
const windowSeconds = 4

const names = ['ours', 'obvious', 'obvious with logs'] as const

const candidatesOf = async (shop: Shop, settings: Settings) => {
  await shop.fillBaskets()
  const mix = shoppingMix(shop.stock)
  const candidates: ((load: Omit<DriverLoad, 'requests'>) => Candidate)[] = []
  for (const name of names.filter((one) => settings.candidates?.test(one) ?? true)) {
    const servers = { catalog: await shop.catalogs(name), baskets: await shop.baskets(name) }
    const requests = mix.map(({ to, request }) => ({ url: servers[to].url, ...request }))
    const processes = {
      service: [servers.catalog.pid, servers.baskets.pid],
      store: shop.stores,
    }
    candidates.push((load) => ({ name, processes, run: () => driveInChild({ ...load, requests }) }))
  }
  return candidates
}

type MixedLoad = Readonly<{
  candidate: string
  /** Arrivals per second. */
  rate: number
  p50: Spread
  p99: Spread
  p999: Spread
  /** The CPU time per request of all services and of the stores, in µs. */
  service: Spread
  store: Spread
  failed: number
}>

export type Mixed = Readonly<{ capacity: Readonly<Record<string, Summary>>; loads: readonly MixedLoad[] }>

/**
 * Measures a mix of requests to both services. First its capacity, by 64 clients that each wait for their answer
 * before they send again. Then the time to the answer when users arrive independently of each other: at a part
 * of the lowest capacity, or at the rates of RATES.
 */
export const measureMixed = async (shop: Shop, settings: Settings): Promise<Mixed> => {
  const candidates = await candidatesOf(shop, settings)
  const rounds = Math.min(settings.rounds, maxRounds)
  const closed = { connections: usualConnections, seconds: capacitySeconds }
  const capacity = await compareCandidates(
    candidates.map((candidate) => candidate(closed)),
    rounds,
  )
  const lowest = Math.min(...Object.values(capacity).map(({ rate }) => rate.median))
  const rates = settings.rates ?? parts.map((part) => Math.round((part * lowest) / 100) * 100)
  const loads = rates.flatMap((rate) =>
    candidates.map((candidate) => ({
      rate,
      ...candidate({ connections: openConnections, seconds: windowSeconds, rate }),
    })),
  )
  const measured = await measureInRounds(
    loads.map((candidate) => () => measure(candidate)),
    rounds,
  )
  return {
    capacity,
    loads: loads.map(({ name, rate }, index) => {
      const own = measured[index] ?? []
      return {
        candidate: name,
        rate,
        p50: spreadOf(own.map(({ p50 }) => p50)),
        p99: spreadOf(own.map(({ p99 }) => p99)),
        p999: spreadOf(own.map(({ p999 }) => p999 ?? Number.NaN)),
        service: spreadOf(own.map(({ cpu }) => cpu.service ?? Number.NaN)),
        store: spreadOf(own.map(({ cpu }) => cpu.store ?? Number.NaN)),
        failed: own.reduce((sum, { failed }) => sum + failed, 0),
      }
    }),
  }
}
