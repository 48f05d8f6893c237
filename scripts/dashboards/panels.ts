import { type Look, lookJson } from './stat.ts'

/** A PromQL query and the legend of its lines, in which `{{label}}` is replaced by the label's value. */
type Query = readonly [expression: string, legend: string]

type Panel = Readonly<{
  title: string
  /** What the panel shows, and where to look when it is wrong. */
  description: string
  kind: 'timeseries' | 'stat'
  unit: string
  queries: readonly Query[]
  /** Whether to show exemplars, which link to traces. */
  exemplars: boolean
  /** Of stat panels. */
  look?: Look
}>

type Row = Readonly<{ title: string; panels: readonly Panel[] }>

/** Our names for units → Grafana's. */
const units = {
  requests: 'reqps',
  operations: 'ops',
  seconds: 's',
  share: 'percentunit',
  bytes: 'bytes',
  number: 'short',
} as const

type Unit = keyof typeof units

const lines =
  (exemplars: boolean) =>
  (title: string, unit: Unit, queries: readonly Query[], description: string): Panel => ({
    title,
    description,
    kind: 'timeseries',
    unit: units[unit],
    queries,
    exemplars,
  })

/** Lines over time. */
export const graph = lines(false)
/** Lines over time, with exemplars that link to traces. */
export const durations = lines(true)

/** The newest values, large. */
export const stat = (
  title: string,
  unit: Unit,
  look: Look,
  queries: readonly Query[],
  description: string,
): Panel => ({ title, description, kind: 'stat', unit: units[unit], queries, exemplars: false, look })

export const row = (title: string, ...panels: Panel[]): Row => ({ title, panels })

const prometheus = { type: 'prometheus', uid: 'prometheus' }

const gridWidth = 24
const heights = { timeseries: 8, stat: 4 } as const
const titleHeight = 1

const linesJson = {
  defaults: { min: 0 },
  options: {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
} as const

const panelJson = ({ title, description, kind, unit, queries, exemplars, look }: Panel) => {
  const { defaults, options } = look === undefined ? linesJson : lookJson(look)
  return {
    title,
    description,
    type: kind,
    datasource: prometheus,
    fieldConfig: { defaults: { unit, ...defaults }, overrides: [] },
    options,
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: prometheus,
      expr,
      legendFormat,
      ...(exemplars && { exemplar: true }),
    })),
  }
}

/** Positions the panels in the grid: the rows below each other, the panels of a row side by side. */
const layOut = (rows: readonly Row[]) => {
  let y = 0
  let id = 0
  return rows.flatMap(({ title, panels }) => {
    const heading = {
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: gridWidth, h: titleHeight },
    }
    const w = Math.floor(gridWidth / panels.length)
    const h = Math.max(...panels.map(({ kind }) => heights[kind]))
    const placedPanels = panels.map((item, index) => ({
      id: ++id,
      ...panelJson(item),
      gridPos: { x: index * w, y: y + titleHeight, w, h },
    }))
    y += titleHeight + h
    return [heading, ...placedPanels]
  })
}

/** A dashboard as Grafana's JSON model. */
export const dashboard = (uid: string, title: string, description: string, rows: readonly Row[]) => ({
  uid,
  title,
  description,
  tags: ['shop'],
  schemaVersion: 39,
  version: 1,
  editable: false,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  timezone: 'browser',
  links: [
    {
      title: 'Shop',
      type: 'dashboards',
      tags: ['shop'],
      asDropdown: false,
      includeVars: false,
      keepTime: true,
    },
  ],
  panels: layOut(rows),
})
