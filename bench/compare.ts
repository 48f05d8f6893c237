/**
 * Compares our services with minimal servers, with the stores alone, with obvious implementations and with one of
 * NestJS and TypeORM, in interleaved rounds. Prints tables. A whole run also writes bench/results/latest.json, the
 * tables of docs/performance.md, and its plots. Variables: docs/performance.md.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { root } from '@shop/testing/files.ts'
import { measureMixed } from './mixed.ts'
import { plotsOf } from './plots.ts'
import { rowsOf } from './rows.ts'
import { isPartial, readSettings, type Settings } from './settings.ts'
import { measureStarts } from './starts.ts'
import { compareCandidates } from './support/comparison.ts'
import { throwIfInterrupted } from './support/interrupt.ts'
import { loadGenerator } from './support/load/http-load.ts'
import { writePlots } from './support/plot.ts'
import { replaceSection } from './support/report.ts'
import { openShop, type Shop } from './support/shop.ts'
import { type Results, type RowResult, tablesOf } from './tables.ts'

/** Measures one row after the other. A row that cannot be measured is reported, and the others go on. */
const measureRows = async (shop: Shop, settings: Settings): Promise<RowResult[]> => {
  const results: RowResult[] = []
  for (const { scenario, connections, candidates } of rowsOf(shop, settings))
    try {
      const started = await candidates()
      if (started.length === 0) continue
      const summaries = await compareCandidates(started, settings.rounds)
      results.push({ scenario, connections, summaries })
      const rates = Object.entries(summaries).map(([name, { rate }]) => `${name} ${rate.median.toFixed(0)}`)
      process.stderr.write(`${scenario}, ${connections} connections: ${rates.join(', ')}\n`)
    } catch (error) {
      throwIfInterrupted()
      if (error instanceof OperatorError) throw error
      process.stderr.write(`${scenario}, ${connections} connections: ${String(error)}\n`)
      process.exitCode = 1
    }
  return results
}

const measureAll = async (settings: Settings): Promise<Results> => {
  await using shop = await openShop(settings.products)
  const rows = await measureRows(shop, settings)
  const isChosen = (section: string) => settings.only?.test(section) ?? true
  const mixed = isChosen('mixed load') ? await measureMixed(shop, settings) : undefined
  const starts = isChosen('start') ? await measureStarts(shop, settings) : undefined
  return { rows, mixed, starts }
}

const describe = ({ products, rounds, seconds }: Settings): string =>
  `${cpus().length} CPUs of ${cpus()[0]?.model.trim()}, shared with the load and the stores; Node.js ${process.version}; ` +
  `${products} products; load by ${loadGenerator}; medians of ${rounds} rounds of ${seconds} s, in brackets minimum–maximum, for CPU the minimum.`

const write = ({ products, rounds, seconds }: Settings, results: Results, text: string): void => {
  mkdirSync(join(root, 'bench/results'), { recursive: true })
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
  const settings = readSettings()
  const results = await measureAll(settings)
  const text = `${describe(settings)}\n\n${tablesOf(results)}`
  process.stdout.write(`\n${text}\n`)
  if (!isPartial(settings)) write(settings, results, text)
})
