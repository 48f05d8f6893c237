import { run } from '@shop/platform/process/lifecycle.ts'
import { unfinishedIn } from '@shop/postgres/migrations/unfinished.ts'
import { limits } from '../domain/product.ts'
import { migrations } from '../infrastructure/migrations.ts'
import { readProductIds } from '../infrastructure/postgres-product-ids.ts'
import type { Database } from '../infrastructure/products-table.ts'
import { print, withCatalog } from './catalog.ts'

const printIds = async (database: Database): Promise<void> => {
  const { highest, lastAssigned } = await readProductIds(database)
  const used = Math.max(highest, lastAssigned)
  const percentage = (Math.floor((used / limits.integer) * 1_000) / 10).toFixed(1)
  print(`product ids: ${used} of ${limits.integer} used (${percentage} %)`)
  if (highest > lastAssigned)
    print(`The sequence of the ids (${lastAssigned}) is behind the table; the next new product advances it.`)
}

await run(() =>
  withCatalog(async (database) => {
    const list = await migrations.list(database)
    for (const { name, executedAt } of list)
      print(`${name}  ${executedAt === undefined ? 'pending' : `applied ${executedAt.toISOString()}`}`)
    for (const line of await unfinishedIn(database)) print(line)
    if (list.every(({ executedAt }) => executedAt !== undefined)) await printIds(database)
  }),
)
