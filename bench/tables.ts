import type { Mixed } from './mixed.ts'
import type { Start } from './starts.ts'
import type { Summary } from './support/comparison.ts'
import { markdownTable, ratioText, type Spread } from './support/report.ts'

export type RowResult = Readonly<{
  scenario: string
  connections: number
  summaries: Readonly<Record<string, Summary>>
}>

const compared = ['ours', 'obvious', 'obvious with logs', 'nest']
const limits = ['constant', 'bare constant', 'empty', 'engine']

/** The summary of a candidate. "engine" is the program of either store. */
const find = ({ summaries }: RowResult, name: string): Summary | undefined =>
  name === 'engine' ? (summaries['pgbench'] ?? summaries['redis-benchmark']) : summaries[name]

const tableOf = (
  rows: readonly RowResult[],
  columns: Readonly<Record<string, (row: RowResult) => string>>,
): string =>
  markdownTable([
    ['', 'connections', ...Object.keys(columns)],
    ...rows.map((row) => [
      row.scenario,
      String(row.connections),
      ...Object.values(columns).map((column) => column(row)),
    ]),
  ])

/** A column for each of the candidates that any row has. */
const columnsFor = (
  rows: readonly RowResult[],
  names: readonly string[],
  title: (name: string) => string,
  cell: (summary: Summary) => string,
): Record<string, (row: RowResult) => string> =>
  Object.fromEntries(
    names
      .filter((name) => rows.some((row) => find(row, name) !== undefined))
      .map((name) => [
        title(name),
        (row: RowResult) => {
          const summary = find(row, name)
          return summary === undefined ? '' : cell(summary)
        },
      ]),
  )

/** Milliseconds or microseconds: three significant digits are enough. */
const short = (value: number): string => value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)

const withFailures = (text: string, failed: number): string =>
  failed === 0 ? text : `${text}, ${failed} failed`

const ratioTable = (rows: readonly RowResult[], names: readonly string[]): string =>
  tableOf(rows, {
    ...columnsFor(
      rows,
      ['ours'],
      () => 'per second',
      ({ rate, failed }) => withFailures(rate.median.toFixed(0), failed),
    ),
    ...columnsFor(
      rows,
      names,
      (name) => `÷ ${name}`,
      ({ ratio, failed }) => withFailures(ratioText(ratio), failed),
    ),
  })

const medianAndMinimum = ({ median, min }: Spread): string => `${short(median)} (${short(min)})`

/** The CPU time of the service, of the service that it calls, and of the store. */
const cpuText = ({ cpu: { service, called, store } }: Summary): string =>
  [service, called, store].flatMap((one) => (one === undefined ? [] : medianAndMinimum(one))).join(' + ')

const mixedTable = ({ loads }: Mixed): string =>
  markdownTable([
    ['', 'arrivals per second', 'p50 ms', 'p99 ms', 'p99.9 ms', 'CPU µs: services + stores'],
    ...loads.map(({ candidate, rate, p50, p99, p999, service, store, failed }) => [
      candidate,
      withFailures(String(rate), failed),
      ...[p50, p99, p999].map(({ median }) => short(median)),
      `${medianAndMinimum(service)} + ${medianAndMinimum(store)}`,
    ]),
  ])

const capacityText = ({ capacity }: Mixed): string =>
  Object.entries(capacity)
    .map(([name, { rate, failed }]) => withFailures(`${name} ${rate.median.toFixed(0)}`, failed))
    .join(', ')

const startTable = (starts: Readonly<Record<string, Start>>): string =>
  markdownTable([
    ['', 'ready after ms', 'CPU ms until then', 'RSS MB then'],
    ...Object.entries(starts).map(([name, { readyMs, cpuMs, megabytes }]) => [
      name,
      ...[readyMs, cpuMs, megabytes].map(medianAndMinimum),
    ]),
  ])

export type Results = Readonly<{
  rows: readonly RowResult[]
  mixed: Mixed | undefined
  starts: Readonly<Record<string, Start>> | undefined
}>

/** The largest resident memory that each of the compared candidates had after any row. */
const memoryText = (rows: readonly RowResult[]): string =>
  compared
    .map((name) => [name, Math.max(0, ...rows.map((row) => find(row, name)?.megabytes ?? 0))] as const)
    .filter(([, megabytes]) => megabytes > 0)
    .map(([name, megabytes]) => `${name} ${megabytes.toFixed(0)} MB`)
    .join(', ')

/** The tables of docs/performance.md, as far as this run has measured them. */
export const tablesOf = ({ rows, mixed, starts }: Results): string => {
  const latency = ({ p50, p99 }: Summary) => `${short(p50.median)} / ${short(p99.median)}`
  const bounded = rows.filter((row) => [...limits, 'ours, 2 workers'].some((name) => find(row, name)))
  const sections = [
    rows.length > 0 && [
      'Rate of ours, and divided by that of the others',
      ratioTable(rows, compared.slice(1)),
    ],
    rows.length > 0 && [
      'CPU µs per request: service + store; for baskets, basket service + product service + stores',
      tableOf(rows, columnsFor(rows, compared, String, cpuText)),
    ],
    rows.length > 0 && ['p50 / p99, in ms', tableOf(rows, columnsFor(rows, compared, String, latency))],
    bounded.length > 0 && [
      'Rate of ours, divided by the limits of the machine and by that of two workers',
      ratioTable(bounded, [...limits, 'ours, 2 workers']),
    ],
    mixed && [`Mixed load, by arrivals. Capacity per second: ${capacityText(mixed)}`, mixedTable(mixed)],
    starts && ['Start', startTable(starts)],
  ]
  const memory = rows.length > 0 ? [`Largest resident memory after load: ${memoryText(rows)}.`] : []
  return [
    ...sections.flatMap((section) => (section ? [`**${section[0]}**`, section[1] ?? ''] : [])),
    ...memory,
  ].join('\n\n')
}
