import { run } from '@shop/platform/lifecycle.ts'
import { migrations } from '../services/product/src/infrastructure/migrate.ts'
import { say, withCatalogue } from './support/catalogue.ts'

await run(async () => {
  for (const { name, executedAt } of await withCatalogue(migrations))
    say(`${name}  ${executedAt === undefined ? 'pending' : `applied ${executedAt.toISOString()}`}`)
})
