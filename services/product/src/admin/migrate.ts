import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { applyMigrations } from './apply-migrations.ts'
import { addSamples, print, withCatalog } from './catalog.ts'

/** Whether SEED asks for sample products. A number is the seed of generated products, which are not added here. */
const wantsSamples = (): boolean => {
  const seed = process.env['SEED'] ?? ''
  if (!/^(samples|\d*)$/.test(seed)) throw new OperatorError('SEED must be samples, or not set.')
  return seed === 'samples'
}

await run(async () => {
  const samples = wantsSamples()
  await withCatalog(async (database) => {
    const applied = await applyMigrations(database)
    print(
      applied.length > 0 ? `Applied: ${applied.join(', ')}` : 'Nothing to apply: the database is up to date.',
    )
    if (samples) await addSamples(database)
  })
})
