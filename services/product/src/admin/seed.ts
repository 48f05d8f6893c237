import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { seedGenerated } from '../infrastructure/generated-products.ts'
import { applyMigrations } from './apply-migrations.ts'
import { addSamples, print, withCatalog } from './catalog.ts'

const maxCount = 100_000_000

/** Returns a callback that draws a progress bar on a terminal, and otherwise prints one line per 10 %. */
const createProgress = (count: number) => {
  const started = performance.now()
  let printedTenths = 0
  return (stored: number) => {
    const fraction = stored / count
    const rate = Math.round(stored / ((performance.now() - started) / 1_000))
    const state = `${stored} of ${count} products, ${rate} per second`
    if (process.stdout.isTTY && process.env['TERM'] !== 'dumb')
      process.stdout.write(
        `\r[${'#'.repeat(Math.floor(fraction * 30)).padEnd(30)}] ${state}${fraction === 1 ? '\n' : ''}`,
      )
    else if (Math.floor(fraction * 10) > printedTenths) {
      printedTenths = Math.floor(fraction * 10)
      print(state)
    }
  }
}

await run(async () => {
  const count = numberVariable('COUNT', undefined, maxCount)
  // `SEED=samples` asks for what this program does without COUNT.
  const seed = process.env['SEED'] === 'samples' ? 1 : numberVariable('SEED', 1, 2_147_483_647)
  await withCatalog(async (database, { production }) => {
    if (production && process.env['FORCE'] !== '1')
      throw new OperatorError('Sample products do not belong in production. Set FORCE=1 to add them anyway.')
    await applyMigrations(database)
    if (count !== undefined)
      return seedGenerated(database, { count, seed, onProgress: createProgress(count) })
    await addSamples(database)
  })
})
