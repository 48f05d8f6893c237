import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { openSqlite } from '@shop/platform/sqlite.ts'
import { silentLogger } from '../../../tests/support/logger.ts'
import { fuzz } from '../../../tests/support/openapi-fuzz.ts'
import { createApp } from '../src/app.ts'
import { sqliteBasketFigures } from '../src/infrastructure/sqlite-basket-figures.ts'
import { sqliteBasketRepository } from '../src/infrastructure/sqlite-basket-repository.ts'
import { aBasket, aProduct, longTtl, ownFolder } from './support.ts'

it('no request made from the OpenAPI document gets a 500, or an answer that the document does not know', async () => {
  await using folder = await ownFolder()
  using sqlite = openSqlite(join(folder.path, 'baskets.sqlite'))
  const find = async (id: number) => {
    if (id % 3 === 0) throw new AppError('product_not_found', `there is no product ${id}`)
    if (id % 7 === 0) throw new AppError('unavailable', 'the product service cannot be asked right now')
    return aProduct({ id, stock: id })
  }
  const ports = {
    baskets: sqliteBasketRepository(sqlite, longTtl),
    catalog: { find },
    figures: sqliteBasketFigures(sqlite, () => 0),
  }
  await using app = await createApp({ ports, dependencies: [] }, silentLogger)
  for (const user of ['0', '1', 'x', 'user123'])
    await ports.baskets.update(user, (stored) => stored ?? aBasket(user))
  const seen = await fuzz(app.http, 150)
  assert.equal(seen.size, 7)
  for (const [operation, statuses] of seen)
    assert.ok(statuses.has(400), `${operation}: ${[...statuses].join()}`)
  assert.ok(seen.get('addItem')?.has(200), [...(seen.get('addItem') ?? [])].join())
})
