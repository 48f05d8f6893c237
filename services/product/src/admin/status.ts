import { run } from '@shop/platform/process/lifecycle.ts'
import { migrations } from '../infrastructure/migrations.ts'
import { print, withCatalog } from './catalog.ts'

await run(async () => {
  for (const { name, executedAt } of await withCatalog(migrations.list))
    print(`${name}  ${executedAt === undefined ? 'pending' : `applied ${executedAt.toISOString()}`}`)
})
