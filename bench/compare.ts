/**
 * Compares our services with minimal servers, with the stores alone, with obvious implementations and with one of
 * NestJS and TypeORM, in interleaved rounds. Prints tables. A whole run also writes bench/results/latest.json, the
 * tables of docs/performance.md, and its plots. Variables: docs/performance.md.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { run } from '@shop/platform/process/lifecycle.ts'
import { root } from '@shop/testing/files.ts'
import { measureMixed } from './mixed.ts'
import { plotsOf } from './plots.ts'
import { rowsOf } from './rows.ts'
import { isPartial, readSettings } from './settings.ts'
import { measureStarts } from './starts.ts'
import { compareCandidates } from './support/comparison.ts'
import { loadGenerator } from './support/load/http-load.ts'
import { writePlots } from './support/plot.ts'
import { replaceSection } from './support/report.ts'
import { openShop, type Shop } from './support/shop.ts'
import { type Results, type RowResult, tablesOf } from './tables.ts'

const settings = readSettings()

const measureRows = async (shop: Shop): Promise<RowResult[]> => {
  const results: RowResult[] = []
  for (const { scenario, connections, candidates } of rowsOf(shop, settings)) {
    const started = await candidates()
    if (started.length === 0) continue
    const summaries = await compareCandidates(started, settings.rounds)
    results.push({ scenario, connections, summaries })
    const rates = Object.entries(summaries).map(([name, { rate }]) => `${name} ${rate.median.toFixed(0)}`)
    process.stderr.write(`${scenario}, ${connections} connections: ${rates.join(', ')}\n`)
  }
  return results
}

const measureAll = async (): Promise<Results> => {
  await using shop = await openShop(settings.products)
  const rows = await measureRows(shop)
  const isChosen = (section: string) => settings.only?.test(section) ?? true
  const mixed = isChosen('mixed load') ? await measureMixed(shop, settings) : undefined
  const starts = isChosen('start') ? await measureStarts(shop, settings) : undefined
  return { rows, mixed, starts }
}

const describe = (): string => {
  const { products, rounds, seconds } = settings
  return (
    `${cpus().length} CPUs of ${cpus()[0]?.model.trim()}, shared with the load and the stores; Node.js ${process.version}; ` +
    `${products} products; load by ${loadGenerator}; medians of ${rounds} rounds of ${seconds} s, in brackets minimum–maximum, for CPU the minimum.`
  )
}

const write = (results: Results, text: string): void => {
  mkdirSync(join(root, 'bench/results'), { recursive: true })
  const { products, rounds, seconds } = settings
  const whole = { settings: { products, rounds, seconds }, loadGenerator, node: process.version, ...results }
  writeFileSync(join(root, 'bench/results/latest.json'), `${JSON.stringify(whole, null, 1)}\n`)
  const plots = plotsOf(results)
  writePlots(plots)
  const images = Object.keys(plots).map((name) => `![${name.replaceAll('-', ' ')}](performance/${name}.svg)`)
  const page = join(root, 'docs/performance.md')
  const section = [text, ...images].join('\n\n')
  writeFileSync(page, replaceSection(readFileSync(page, 'utf8'), 'results', section))
}

await run(async () => {
  const results = await measureAll()
  const text = `${describe()}\n\n${tablesOf(results)}`
  process.stdout.write(`\n${text}\n`)
  if (!isPartial(settings)) write(results, text)
})
