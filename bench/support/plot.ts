import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '@shop/testing/files.ts'

/** A line of a plot, with one value for each tick of the horizontal axis. */
type Line = Readonly<{ name: string; values: readonly number[] }>

type Plot = Readonly<{
  title: string
  /** The unit of the vertical axis, which starts at 0. */
  unit: string
  ticks: readonly string[]
  lines: readonly Line[]
}>

const size = { width: 640, height: 320 }
const margin = { left: 56, right: 150, top: 40, bottom: 36 }
const colors = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#8c564b']

/** The smallest round number that is not less than `value`. */
const roundUp = (value: number): number => {
  const magnitude = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.5, 2, 3, 5, 7.5, 10].find((step) => step * magnitude >= value) ?? 10) * magnitude
}

const abbreviate = (value: number): string =>
  value >= 1_000 ? `${value / 1_000}k` : String(Math.round(value * 100) / 100)

/** Draws lines as SVG, readable on white and on black. */
export const plot = ({ title, unit, ticks, lines }: Plot): string => {
  const top = roundUp(Math.max(...lines.flatMap(({ values }) => values)))
  const inner = {
    width: size.width - margin.left - margin.right,
    height: size.height - margin.top - margin.bottom,
  }
  const x = (index: number) => margin.left + (inner.width * index) / Math.max(1, ticks.length - 1)
  const y = (value: number) => margin.top + inner.height * (1 - value / top)
  const text = (at: readonly [number, number], anchor: string, content: string, extra = '') =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" text-anchor="${anchor}"${extra}>${content}</text>`
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const height = y(part * top)
    return (
      `<line x1="${margin.left}" x2="${margin.left + inner.width}" y1="${height}" y2="${height}" stroke="#8884"/>` +
      text([margin.left - 6, height + 4], 'end', abbreviate(part * top))
    )
  })
  const drawn = lines.map(({ name, values }, index) => {
    const color = colors[index % colors.length]
    const points = values.map((value, tick) => `${x(tick).toFixed(1)},${y(value).toFixed(1)}`)
    const label = text(
      [margin.left + inner.width + 10, margin.top + 14 + 18 * index],
      'start',
      name,
      ` style="fill:${color}"`,
    )
    return `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.join(' ')}"/>${label}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="12">`,
    '<style>text{fill:#777}</style>',
    text([margin.left, 20], 'start', `${title} (${unit})`, ' font-weight="bold"'),
    ...grid,
    ...ticks.map((tick, index) => text([x(index), size.height - 12], 'middle', tick)),
    ...drawn,
    '</svg>',
    '',
  ].join('\n')
}

/** Writes plots to docs/performance, by file name. */
export const writePlots = (plots: Readonly<Record<string, string>>): void => {
  const folder = join(root, 'docs/performance')
  mkdirSync(folder, { recursive: true })
  for (const [name, svg] of Object.entries(plots)) writeFileSync(join(folder, `${name}.svg`), svg)
}
