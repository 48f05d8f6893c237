import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { removeProduct, requireExisting, reviseProduct } from '../../src/domain/product.ts'
import { productEventLog } from '../../src/infrastructure/product-event-log.ts'
import { type Request, send } from '../support/http.ts'
import { creationOf, engines, openApp } from '../support/store.ts'

for (const { engine, open, skip } of engines)
  test(`product events are logged with the names of changed fields but without their values, in ${engine}`, {
    skip,
  }, async () => {
    await using store = await open()
    const { logger, lines } = recordingLogger()
    store.events.subscribe(productEventLog(logger))
    const { products } = store
    const events = () =>
      lines
        .splice(0)
        .map(({ event, product_id, changed, stock }) => [event, product_id, ...[changed ?? stock].flat()])

    const { id } = await products.add(creationOf({ name: 'Secret Lamp', stock: 12 }))
    assert.deepEqual(events(), [['product_created', id, undefined]])
    const change = (changes: Parameters<typeof reviseProduct>[1]) =>
      products.update(id, (stored) => reviseProduct(requireExisting(id, stored, 'anything'), changes))

    await change({ price: 1n, stock: 11, name: 'Secret Lamp' })
    assert.deepEqual(events(), [['product_updated', id, 'price', 'stock']])
    await change({ stock: 10 })
    assert.deepEqual(events(), [
      ['product_updated', id, 'stock'],
      ['low_stock', id, 10],
    ])
    await change({ stock: 3 })
    assert.deepEqual(
      events(),
      [['product_updated', id, 'stock']],
      'only a write that crosses the threshold logs low_stock',
    )
    await change({ stock: 50 })
    await change({ stock: 0 })
    assert.equal(events().at(-1)?.[0], 'low_stock')

    const refusal = new Error('refused by the change')
    await assert.rejects(
      products.update(id, () => {
        throw refusal
      }),
      refusal,
    )
    assert.deepEqual(events(), [], 'a write that fails logs no event')
    await products.update(id, removeProduct)
    assert.deepEqual(events(), [['product_deleted', id, undefined]])
    assert.doesNotMatch(JSON.stringify(lines), /Secret/)
  })

test('each type of event has its own log line', () => {
  const { logger, lines } = recordingLogger()
  const log = productEventLog(logger)
  const target = { productId: 7, version: 3 }
  log({ type: 'product_created', ...target })
  log({ type: 'product_updated', changed: ['price', 'stock'], ...target })
  log({ type: 'low_stock', stock: 4, threshold: 10, ...target })
  log({ type: 'product_deleted', ...target })
  assert.deepEqual(
    lines.map(({ level, time: _time, pid: _pid, hostname: _hostname, ...line }) => [level, line]),
    [
      { event: 'product_created', product_id: 7, version: 3, msg: 'product created' },
      {
        event: 'product_updated',
        product_id: 7,
        version: 3,
        changed: ['price', 'stock'],
        msg: 'product updated',
      },
      { event: 'low_stock', product_id: 7, version: 3, stock: 4, threshold: 10, msg: 'low stock' },
      { event: 'product_deleted', product_id: 7, version: 3, msg: 'product deleted' },
    ].map((line) => [30, line]),
  )
})

test('the service logs and counts product events', async () => {
  const { logger, lines } = recordingLogger()
  const metrics = createMetrics('product-service', '0')
  await using app = await openApp({}, { logger, metrics })
  const status = async (request: Request) => (await send(app.http, request)).statusCode
  assert.equal(
    await status({ method: 'POST', url: '/products', payload: { name: 'Lamp', price: 1, stock: 12 } }),
    201,
  )
  const [created] = app.store.published
  assert.ok(created)
  const { productId } = created
  const url = `/products/${productId}`
  assert.equal(await status({ method: 'PATCH', url, payload: { stock: 11 } }), 200)
  assert.equal(await status({ method: 'PATCH', url, payload: { stock: 10 } }), 200)
  assert.equal(await status({ method: 'PATCH', url, payload: { name: ' ' } }), 400)
  assert.equal(await status({ method: 'DELETE', url, headers: { 'if-match': '"9"' } }), 412)
  assert.equal(await status({ method: 'DELETE', url }), 204)
  assert.equal(await status({ method: 'DELETE', url }), 404)

  assert.deepEqual(
    lines
      .filter(({ event }) => event !== undefined)
      .map(({ event, product_id, msg }) => [event, product_id, msg]),
    [
      ['product_created', productId, 'product created'],
      ['product_updated', productId, 'product updated'],
      ['product_updated', productId, 'product updated'],
      ['low_stock', productId, 'low stock'],
      ['product_deleted', productId, 'product deleted'],
    ],
  )
  const { values } = await metrics.shopEvents.get()
  assert.deepEqual(Object.fromEntries(values.map(({ labels, value }) => [labels.event, value])), {
    product_created: 1,
    product_updated: 2,
    low_stock: 1,
    product_deleted: 1,
  })
  assert.match(await metrics.registry.metrics(), /^shop_events_total\{[^}]*event="low_stock"[^}]*\} 1$/m)
})
