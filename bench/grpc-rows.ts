import { uniformId } from './scenarios.ts'
import { countsOf, isChosen, type Settings } from './settings.ts'
import type { Candidate, Row } from './support/comparison.ts'
import { installed } from './support/load/engines.ts'
import { driveGrpc } from './support/load/grpc-load.ts'
import { driveWithH2load } from './support/load/h2load.ts'
import type { Shop } from './support/shop.ts'

const generators = { '': driveGrpc, ', h2load': driveWithH2load }

/** The rows of gRPC calls, by each generator of load. */
export const grpcRows = (shop: Shop, settings: Settings): Row[] =>
  Object.entries({ GetProduct: 1, 'BatchGetProducts of 20': 20 }).flatMap(([method, size]) =>
    Object.entries(generators)
      .filter(([name]) => name === '' || installed.has('h2load'))
      .flatMap(([suffix, drive]) => {
        const scenario = size === 1 && suffix !== '' ? ({ thorough: true } as const) : {}
        return countsOf(settings, scenario).map((connections) => ({
          scenario: method + suffix,
          connections,
          candidates: async () => {
            const calls = Array.from({ length: 10_000 }, () =>
              Array.from({ length: size }, () => uniformId(shop.stock.products)),
            )
            const load = { calls, concurrency: connections, seconds: settings.seconds }
            const names = ['ours', 'obvious', 'obvious with logs', 'empty'] as const
            const candidates: Candidate[] = []
            for (const name of names.filter(isChosen(settings, scenario, connections))) {
              const { grpc, processes } = await shop.catalogs(name)
              candidates.push({ name, processes, run: () => drive({ ...load, address: grpc }) })
            }
            return candidates
          },
        }))
      }),
  )
