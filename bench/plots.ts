import type { Mixed } from './mixed.ts'
import { plot } from './support/plot.ts'
import type { Results, RowResult } from './tables.ts'

const compared = ['ours', 'obvious', 'obvious with logs', 'nest']

/** File name → scenario. */
const byConnections = {
  'gets-by-connections': 'get by id',
  'creates-by-connections': 'create',
  'updates-by-connections': 'update',
  'adds-by-connections': 'adds to many baskets',
  'adds-to-one-by-connections': 'adds to one basket',
}

const plotByConnections = (scenario: string, rows: readonly RowResult[]): string => {
  const own = rows
    .filter((row) => row.scenario === scenario)
    .toSorted((one, other) => one.connections - other.connections)
  const names = compared.filter((name) => own.every(({ summaries }) => summaries[name] !== undefined))
  return plot({
    title: `${scenario}, by connections`,
    unit: 'requests per second',
    ticks: own.map(({ connections }) => String(connections)),
    lines: names.map((name) => ({
      name,
      values: own.map(({ summaries }) => Math.round(summaries[name]?.rate.median ?? 0)),
    })),
  })
}

const plotMixed = ({ loads }: Mixed): string => {
  const rates = [...new Set(loads.map(({ rate }) => rate))]
  const names = [...new Set(loads.map(({ candidate }) => candidate))]
  return plot({
    title: 'Mixed load: p99 of the time to the answer, by arrivals',
    unit: 'ms',
    ticks: rates.map((rate) => `${rate} per second`),
    lines: names.map((name) => ({
      name,
      values: loads.filter(({ candidate }) => candidate === name).map(({ p99 }) => p99.median),
    })),
  })
}

/** The plots of docs/performance, by file name. */
export const plotsOf = ({ rows, mixed }: Results): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(byConnections).map(([file, scenario]) => [file, plotByConnections(scenario, rows)]),
  ),
  ...(mixed && { 'mixed-load': plotMixed(mixed) }),
})
