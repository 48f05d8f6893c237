import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { reviseProduct } from '../../src/domain/product.ts'
import { withProductEvents } from '../../src/infrastructure/product-events.ts'
import { engines, fieldsOf } from '../support/store.ts'

for (const { engine, open, skip } of engines)
  test(`what becomes of products is in the log, by what changed and not by what it says, in ${engine}`, {
    skip,
  }, async () => {
    await using store = await open()
    const { logger, lines } = recordingLogger()
    const products = withProductEvents(store.products, logger)
    const events = () =>
      lines
        .splice(0)
        .map(({ event, product_id, changed, stock }) => [event, product_id, ...[changed ?? stock].flat()])

    const { id } = await products.add(fieldsOf({ name: 'Secret Lamp', stock: 12 }))
    assert.deepEqual(events(), [['product_created', id, undefined]])
    const change = (changes: Parameters<typeof reviseProduct>[1]) =>
      products.update(id, (stored) => reviseProduct(stored, changes))

    await change({ price: 1n, stock: 11, name: 'Secret Lamp' })
    assert.deepEqual(events(), [['product_updated', id, 'price', 'stock']])
    await change({ stock: 10 })
    assert.deepEqual(events(), [
      ['product_updated', id, 'stock'],
      ['low_stock', id, 10],
    ])
    await change({ stock: 3 })
    assert.deepEqual(events(), [['product_updated', id, 'stock']], 'only a write that crosses the threshold')
    await change({ stock: 50 })
    await change({ stock: 0 })
    assert.equal(events().at(-1)?.[0], 'low_stock')

    const refusal = new Error('not like this')
    await assert.rejects(
      products.update(id, () => {
        throw refusal
      }),
      refusal,
    )
    assert.deepEqual(events(), [], 'what did not happen is not told')
    await products.remove(id, () => {})
    assert.deepEqual(events(), [['product_deleted', id, undefined]])
    assert.doesNotMatch(JSON.stringify(lines), /Secret/)
  })
