import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { createWriteCheck } from '@shop/postgres/availability/write-check.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import type { Product } from '../../src/domain/product.ts'
import type { ProductRepository } from '../../src/domain/product-repository.ts'
import { openRepository } from '../../src/infrastructure/postgres-ports.ts'
import { execute, trigger } from '../support/schema.ts'
import { openService } from '../support/service.ts'
import { casesFor, changeProduct, creationOf, deleteProduct, engines, type Store } from '../support/store.ts'

type Write = (products: ProductRepository, product: Product) => Promise<unknown>

const create: Write = (products) => products.add(creationOf({ name: 'Lamp' }))
const remove: Write = (products, { id }) => deleteProduct(products, id)
const change =
  (changes: Partial<Product>): Write =>
  (products, { id }) =>
    changeProduct(products, id, (product) => ({ ...product, ...changes }))

/** A change of the schema, a write that it refuses, and the SQLSTATE, if there is one. */
const cases: readonly (readonly [title: string, schema: string, write: Write, code: string | undefined])[] = [
  [
    'a new column without a default',
    'alter table products add sku text not null default 1; alter table products alter sku drop default',
    create,
    '23502',
  ],
  [
    'a shorter text column',
    'alter table products alter name type varchar(4)',
    change({ name: 'Desk Lamp' }),
    '22001',
  ],
  [
    'a narrower number column',
    'alter table products alter price type numeric(4, 2)',
    change({ price: 500_00n }),
    '22003',
  ],
  [
    'a column of another type',
    `alter table products drop constraint products_description_check, alter description drop default,
      alter description type text[] using array[description]`,
    create,
    '22P02|42804',
  ],
  ['a unique index', 'create unique index on products (name)', create, '23505'],
  ['a check', 'alter table products add check (stock < 9)', change({ stock: 9 }), '23514'],
  [
    'a foreign key of the table',
    'create table categories (name text primary key); alter table products add foreign key (category) references categories not valid',
    create,
    '23503',
  ],
  ['a trigger that raises', trigger('insert or update or delete', "raise 'not today'"), remove, 'P0001'],
  [
    'a rule that does nothing',
    'create rule nothing as on insert to products do instead nothing',
    create,
    '0A000',
  ],
  ['a trigger that ignores inserts', trigger('insert', 'return null'), create, undefined],
  ['a trigger that ignores updates', trigger('update', 'return null'), change({ stock: 9 }), undefined],
  ['a trigger that ignores deletions', trigger('delete', 'return null'), remove, undefined],
]

const signal = new AbortController().signal

for (const { engine, open, skip } of engines)
  describe(`a write that the schema in ${engine} refuses`, { skip }, () => {
    let store: Store
    let products: ProductRepository
    let product: Product
    const writes = createWriteCheck(async () => {})

    beforeEach(async () => {
      store = await open()
      products = writes.observe(openRepository(store.database, () => {}))
      product = await products.add(creationOf({ name: 'Lamp' }))
    })
    afterEach(() => store[Symbol.asyncDispose]())

    for (const [title, schema, write, code] of casesFor(engine, cases))
      test(`because of ${title} is unavailable with the cause, and degrades the service until one succeeds`, async () => {
        await writes.probe(signal)
        await execute(store.database, schema)
        await assert.rejects(
          write(products, product),
          (error: Error & { code?: string; cause?: Error & { code?: string } }) => {
            assert.equal(error.code, 'unavailable')
            assert.equal(error.message, 'the product database is unavailable')
            if (code !== undefined) assert.match(String(error.cause?.code), new RegExp(`^(${code})$`))
            if (code === undefined)
              assert.match(String(error.cause), /IgnoredWrite: a trigger or rule of products/)
            return true
          },
        )
        const reason =
          code === undefined ? 'a trigger or rule ignores them' : `its schema refuses them \\((${code})\\)`
        await assert.rejects(writes.probe(signal), {
          message: new RegExp(`^PostgreSQL refuses writes: ${reason}$`),
        })
      })

    test('because another table references the product is a conflict, and does not degrade the service', async () => {
      await execute(
        store.database,
        `create table orders (product integer references products); insert into orders values (${product.id})`,
      )
      await assert.rejects(deleteProduct(products, product.id), {
        kind: 'conflict',
        code: 'product_referenced',
        message: `product ${product.id} is referenced by another table`,
      })
      await writes.probe(signal)
      await execute(store.database, 'delete from orders')
      await deleteProduct(products, product.id)
    })
  })

test('over HTTP, a refused deletion is 409, a refused write 503 with the cause in the log, and the service is degraded', {
  skip: withoutPostgres,
}, async () => {
  await using database = await ownDatabase()
  await using service = await openService({ DATABASE_URL: database.url })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  const post = { method: 'POST', url: '/products', payload: { name: 'Lamp', price: 1 } } as const
  assert.equal((await service.send(post)).statusCode, 201)
  await query(
    'create table orders as select id from products; alter table orders add foreign key (id) references products',
    database.url,
  )
  const refused = await service.send({ method: 'DELETE', url: '/products/1' })
  assert.deepEqual([refused.statusCode, refused.json().code], [409, 'product_referenced'])

  await query('create unique index on products (name)', database.url)
  assert.equal((await service.send(post)).statusCode, 503)
  assert.match(JSON.stringify(service.lines.find(({ msg }) => msg === 'request failed')), /products_name_idx/)
  const { status, checks } = await service.health()
  assert.deepEqual(
    [status, checks['postgres-writes'].reason],
    ['degraded', 'PostgreSQL refuses writes: its schema refuses them (23505)'],
  )
  assert.equal((await service.send({ ...post, payload: { name: 'Desk', price: 1 } })).statusCode, 201)
  assert.equal((await service.health()).status, 'healthy')
})
