import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { fuzz } from '@shop/testing/asserts/openapi-fuzz.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { productNotFound } from '../../src/domain/errors.ts'
import { aBasket, aProduct } from '../support/baskets.ts'
import { openPorts } from '../support/ports.ts'

it('answers random requests without a 500, and only with responses that the OpenAPI document describes', async () => {
  const find = async (id: number) => {
    if (id % 3 === 0) throw productNotFound(id)
    if (id % 7 === 0) throw new AppError('unavailable', 'the product service is unavailable')
    return aProduct({ id, stock: id })
  }
  await using storage = await openPorts(find)
  const { ports } = storage
  await using app = await createApp({ ports, dependencies: [] }, silentLogger)
  for (const user of ['0', '1', 'x', 'user123'])
    await ports.baskets.update(user, (stored) => stored ?? aBasket(user))
  const seen = await fuzz(app.http, 150)
  assert.equal(seen.size, 8)
  for (const [operation, statuses] of seen)
    assert.ok(statuses.has(400), `${operation}: ${[...statuses].join()}`)
  for (const operation of ['addItem', 'setQuantities'])
    assert.ok(seen.get(operation)?.has(200), `${operation}: ${[...(seen.get(operation) ?? [])].join()}`)
})
