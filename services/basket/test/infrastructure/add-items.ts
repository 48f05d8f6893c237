/**
 * The script of the processes that `two-processes.test.ts` starts. It sends `ready` when the configured storage
 * can be read, waits for a message, adds the items, `clients` of them at a time, and sends the versions that the adds
 * resulted in. With `keyed`, the adds have idempotency keys, the same in each process.
 */

import { once } from 'node:events'
import { systemContext } from '@shop/kernel/context.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { addItem } from '../../src/application/commands/add-item.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aProduct } from '../support/baskets.ts'
import { keyedContext } from '../support/keys.ts'

const [userId = '', additions = '', clients = '', keyed] = process.argv.slice(2)

await using adapters = await openAdapters({ config: readConfig(process.env), logger: silentLogger })
const catalog = { find: async (id: number) => aProduct({ id, stock: 100_000 }) }
const add = addItem({ ...adapters.ports, catalog })
await eventually(20_000, () => adapters.ports.baskets.find(userId))

process.send?.('ready')
await once(process, 'message')
const contextOf = (number: number) =>
  keyed === undefined ? systemContext('add-items') : keyedContext(`key-${number}`).context
const versions: number[] = []
let remaining = Number(additions)
const addAll = async (_: unknown, productId: number) => {
  while (remaining > 0) {
    remaining -= 1
    const context = contextOf(remaining)
    versions.push(
      (await add({ userId, productId: productId + 1, quantity: 1, expected: 'anything' }, context)).version,
    )
  }
}
await Promise.all(Array.from({ length: Number(clients) }, addAll))
process.send?.(versions)
process.disconnect?.()
