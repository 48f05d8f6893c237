import { run } from '@shop/platform/lifecycle.ts'
import { migrate } from '../services/product/src/infrastructure/migrate.ts'
import { say, withCatalogue } from './support/catalogue.ts'

await run(async () => {
  const applied = await withCatalogue(migrate)
  say(applied.length > 0 ? `Applied: ${applied.join(', ')}` : 'Nothing to apply: the database is up to date.')
})
