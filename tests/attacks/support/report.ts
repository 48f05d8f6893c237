import type { Served } from './innocent.ts'

/** A line of the report. */
export type Measured = Readonly<{
  attack: string
  served: Served
  /** The peaks of the product and of the basket service. */
  mebibytes: readonly [number, number]
  statements: number | undefined
  refused: Readonly<Record<string, number>>
  counted: readonly string[]
}>

const lines: Measured[] = []

export const addToReport = (line: Measured): void => void lines.push(line)

const textOf = (value: string) => value.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')

const lineOf = ({ attack, served, mebibytes, statements, refused, counted }: Measured): string => {
  const { requests, failures, p50, p99, max } = served
  const counts = [
    ...(statements === undefined ? [] : [`${statements} statements`]),
    ...counted.filter((text) => text !== ''),
    ...Object.entries(refused).map(([reason, count]) => `refused (${reason}): ${count}`),
  ]
  const cells = [
    attack,
    requests,
    failures.length,
    p50,
    p99,
    max,
    ...mebibytes,
    counts.map(textOf).join('; '),
  ]
  return `| ${cells.join(' | ')} |`
}

/** The report as a table in Markdown. */
export const reportTable = (): string =>
  [
    '| Attack | Innocent requests | Failed | p50 (ms) | p99 (ms) | Max (ms) | RSS of product (MiB) | RSS of basket (MiB) | Counted |',
    '|---|---|---|---|---|---|---|---|---|',
    ...lines.map(lineOf),
  ].join('\n')
