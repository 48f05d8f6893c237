import { run } from '@shop/platform/process/lifecycle.ts'
import { applyMigrations } from './apply-migrations.ts'
import { print, withCatalog } from './catalog.ts'

await run(async () => {
  const applied = await withCatalog(applyMigrations)
  print(
    applied.length > 0 ? `Applied: ${applied.join(', ')}` : 'Nothing to apply: the database is up to date.',
  )
})
