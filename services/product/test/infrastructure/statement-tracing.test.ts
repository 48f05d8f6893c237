import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPostgres } from '@shop/postgres/database.ts'
import { openEmbeddedPostgres } from '@shop/postgres/embedded.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresProductReader } from '../../src/infrastructure/postgres-product-reader.ts'
import { postgresProductRepository } from '../../src/infrastructure/postgres-product-repository.ts'
import type { Database, Tables } from '../../src/infrastructure/products-table.ts'
import { postgresConfigOf } from '../support/config.ts'
import { changeProduct, creationOf, deleteProduct } from '../support/store.ts'

const useDatabase = async (database: Database): Promise<void> => {
  await migrations.apply(database)
  const products = postgresProductRepository(database, () => {})
  const { id } = await inRequest('add', () => products.add(creationOf({ name: 'Secret Lamp' })))
  await inRequest('update', () => changeProduct(products, id, (product) => ({ ...product, stock: 4_711 })))
  await inRequest('find', () => postgresProductReader(database).find(id))
  await inRequest('remove', () => deleteProduct(products, id))
  await inRequest('fail', () => assert.rejects(sql`select 1 / ${0}::integer`.execute(database)))
}

const onPostgres = async () => {
  await using schema = await ownSchema()
  const database = openPostgres<Tables>(postgresConfigOf({ DATABASE_URL: schema.url }), silentLogger)
  try {
    await useDatabase(database)
  } finally {
    await database.destroy()
  }
}

const onPglite = async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'product-test-'))
  await using storage = await openEmbeddedPostgres<Tables>(join(folder.path, 'products'))
  await useDatabase(storage.database)
}

for (const [engine, use, skip] of [
  ['PostgreSQL', onPostgres, withoutPostgres],
  ['PGlite', onPglite, false],
] as const)
  test(`each statement of a request to ${engine} has a span with its SQL text and without parameter values`, {
    skip,
  }, async () => {
    const spans = await spansOf(use)
    const requests = new Map(spans.filter(({ kind }) => kind === 'server').map(({ id, name }) => [id, name]))
    const statements = spans.filter(({ kind }) => kind === 'client')
    assert.deepEqual(
      statements.map(({ parentId, name }) => [requests.get(parentId), name]),
      [
        ['add', 'insert products'],
        ['update', 'select products'],
        ['update', 'update products'],
        ['find', 'select products'],
        ['remove', 'select products'],
        ['remove', 'delete products'],
        ['fail', 'select'],
      ],
    )
    for (const { attributes } of statements) {
      assert.equal(attributes['db.system.name'], 'postgresql')
      assert.match(String(attributes['db.query.text']), /\$1/)
    }
    // Random ids may contain any digits.
    const withoutIds = (key: string, value: unknown) => (/id$/i.test(key) ? undefined : value)
    assert.doesNotMatch(JSON.stringify(spans, withoutIds), /Secret Lamp|4711/)
    assert.deepEqual(
      statements
        .filter(({ failed }) => failed)
        .map(({ name, attributes }) => [name, attributes['error.type']]),
      [['select', '22012']],
    )
  })
