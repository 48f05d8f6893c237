/**
 * The script of the processes that `two-processes.test.ts` starts. It sends `ready` when the configured storage
 * can be read, waits for a message, and adds the items.
 */

import { once } from 'node:events'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { addItem } from '../../src/application/commands/add-item.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aProduct } from '../support/baskets.ts'

const [userId = '', additions = ''] = process.argv.slice(2)

await using adapters = await openAdapters({ config: readConfig(process.env), logger: silentLogger })
const catalog = { find: async (id: number) => aProduct({ id, stock: 100_000 }) }
const add = addItem({ ...adapters.ports, catalog })
await eventually(20_000, () => adapters.ports.baskets.find(userId))

process.send?.('ready')
await once(process, 'message')
for (let remaining = Number(additions); remaining > 0; remaining--)
  await add({ userId, productId: 1, quantity: 1, expected: 'anything' })
process.disconnect?.()
