import assert from 'node:assert/strict'
import { it } from 'node:test'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'

for (const workers of ['1', '2'])
  it(`a product service that cannot migrate its database prints the reason and does not start (WORKERS=${workers})`, {
    skip: withoutPostgres,
  }, async () => {
    await using schema = await ownSchema()
    await query('create table products (id int)', schema.url)
    const environment = { DATABASE_URL: schema.url, GRPC_PORT: String(await freePort()), WORKERS: workers }
    await assert.rejects(startService('product', environment), ({ message }: Error) => {
      assert.match(message, /the database cannot be migrated/)
      assert.match(message, /relation .*products.* already exists/)
      assert.doesNotMatch(message, /worker started/)
      return true
    })
  })
