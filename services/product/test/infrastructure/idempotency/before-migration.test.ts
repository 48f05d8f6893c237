import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openRememberedWrites } from '../../../src/infrastructure/postgres-ports.ts'
import { migrateTo } from '../../support/first-release.ts'
import { holdLocks } from '../../support/locks.ts'
import { openService } from '../../support/service.ts'
import { openServerDatabase } from '../../support/store.ts'

const payload = { name: 'Lamp', price: 1 }
const before = '0003_list_indexes'
const headers = { 'idempotency-key': 'a' }

describe('the migration of idempotency keys', { skip: withoutPostgres }, () => {
  it('needs no lock of products', async () => {
    await using schema = await ownSchema()
    await using opened = openServerDatabase(schema.url)
    await migrateTo(opened.database, before)
    await using _ = await holdLocks(schema.url, 'lock table products in access exclusive mode')
    assert.deepEqual(await migrations.apply(opened.database), ['0004_idempotency_keys'])
  })

  it('is not needed by writes without a key; those with one are unavailable until it is applied', async () => {
    await using schema = await ownSchema()
    await using opened = openServerDatabase(schema.url)
    await migrateTo(opened.database, before)
    await using service = await openService({ DATABASE_URL: schema.url, MIGRATE: 'off' })
    const create = async (own = {}) =>
      (await service.send({ method: 'POST', url: '/products', payload, headers: own })).statusCode
    assert.equal(await create(), 201)
    for (const [method, url] of [
      ['PATCH', '/products/1'],
      ['DELETE', '/products/1'],
    ] as const) {
      const body = method === 'PATCH' ? { payload: { stock: 3 } } : {}
      assert.equal((await service.send({ method, url, headers, ...body })).statusCode, 503)
      assert.ok((await service.send({ method, url, ...body })).statusCode < 300)
    }
    assert.equal(await create(headers), 503)
    // Nothing is old, and nobody has to hear of it.
    assert.equal(await openRememberedWrites(opened.database).forgetOld(), false)
    assert.equal(await service.isReady(), false)
    await migrations.apply(opened.database)
    await eventually(20_000, async () => assert.equal(await service.isReady(), true))
    assert.deepEqual([await create(headers), await create(headers)], [201, 201])
    const { json } = await service.send({ url: '/products' })
    assert.equal(json().count, 1)
  })
})
