/** A process of `two-processes.test.ts`: opens the storage that the environment names, and adds when it is told to. */

import { once } from 'node:events'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { addItem } from '../../src/application/commands/add-item.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aProduct } from '../support/baskets.ts'

const [userId = '', additions = ''] = process.argv.slice(2)

await using adapters = await openAdapters({ config: readConfig(process.env), logger: silentLogger })
const { baskets } = adapters.ports
const add = addItem({ baskets, catalog: { find: async (id) => aProduct({ id, stock: 100_000 }) } })
await eventually(20_000, () => baskets.find(userId))

process.send?.('ready')
await once(process, 'message')
for (let left = Number(additions); left > 0; left--)
  await add({ userId, productId: 1, quantity: 1, precondition: () => {} })
process.disconnect?.()
