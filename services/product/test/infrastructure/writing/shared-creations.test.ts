import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Product } from '../../../src/domain/product.ts'
import { byId } from '../../../src/domain/product-reader.ts'
import type { ProductRepository } from '../../../src/domain/product-repository.ts'
import { postgresProductRepository } from '../../../src/infrastructure/postgres-product-repository.ts'
import { execute, trigger } from '../../support/schema.ts'
import { recordStatements } from '../../support/statements.ts'
import { casesFor, creationOf, engines, fieldsOf, type Store } from '../../support/store.ts'

const lastId = 2_147_483_647

/** Strings that have a meaning in the text of an array, or none in a wrong encoding. */
const texts = [
  'NULL',
  '',
  '{}',
  '"',
  '\\',
  ',',
  "'",
  'a\nb',
  '\u{1F600}',
  '{"a","b"}',
  '\\"',
  ' x ',
  '$1',
  '()',
]

/** Different in every field. */
const differentFields = (count: number) =>
  Array.from({ length: count }, (_, n) =>
    fieldsOf({
      name: `${n} ${texts[n % texts.length]}`,
      description: texts[(n + 1) % texts.length] ?? '',
      price: BigInt(n) * 100_000_001n,
      stock: n,
      category: texts[(n + 2) % texts.length] ?? '',
      groupId: n % 3 === 0 ? null : `group ${texts[(n + 3) % texts.length]}`,
    }),
  )

/** What identifies an error for its caller and in the log. */
const describeError = (error: Error & { code?: unknown }) =>
  `${error.name} ${String(error.code)} ${error.message.replace(/\d+/g, 'n')}`

for (const { engine, open, skip } of engines)
  describe(`products that are created at the same moment in ${engine}`, { skip }, () => {
    let store: Store
    let products: ProductRepository
    let matching: (pattern: RegExp) => string[]
    beforeEach(async () => {
      store = await open()
      const recorded = recordStatements(store.database)
      matching = recorded.matching
      products = postgresProductRepository(recorded.database, (events) => {
        store.published.push(...events)
      })
    })
    afterEach(() => store[Symbol.asyncDispose]())

    const addAll = (names: readonly string[]) =>
      Promise.allSettled(names.map((name) => products.add(creationOf({ name }))))
    const storedProducts = async (): Promise<readonly Product[]> =>
      (await store.reader.list({ sort: byId, limit: 1_000 })).products

    /** Asserts that each of these has been stored once, as acknowledged, and the others are not. */
    const assertStored = async (
      names: readonly string[],
      outcomes: readonly PromiseSettledResult<Product>[],
    ) => {
      const added = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      assert.deepEqual(added.map(({ name }) => name).toSorted(), names.toSorted())
      assert.deepEqual(
        await storedProducts(),
        added.toSorted((one, other) => one.id - other.id),
      )
      assert.deepEqual(
        store.published.map(({ type, productId }) => `${type} ${productId}`).toSorted(),
        added.map(({ id }) => `product_created ${id}`).toSorted(),
      )
    }

    test('share a statement, and each gets its own fields, id and version 1', async () => {
      const fields = differentFields(64)
      const added = await Promise.all(fields.map((own) => products.add({ fields: own, events: [] })))
      for (const [index, { id, version, createdAt, updatedAt, ...own }] of added.entries()) {
        assert.deepEqual(own, fields[index])
        assert.equal(version, 1)
        assert.deepEqual(updatedAt, createdAt)
        assert.ok(Math.abs(createdAt.getTime() - Date.now()) < 60_000)
        assert.ok(id > 0)
      }
      assert.equal(matching(/insert/).length, 1)
      assert.deepEqual(
        await storedProducts(),
        added.toSorted((one, other) => one.id - other.id),
      )
    })

    test('do not share with one that comes alone: it is sent at once, and leaves its id to the column', async () => {
      for (let round = 0; round < 2; round += 1) await products.add(creationOf())
      assert.equal(matching(/./).length, 2)
      assert.match(matching(/^insert/).join(), /^insert into "products" \(name, .*\) values/)
      assert.deepEqual(matching(/nextval/), [])
    })

    const checked = (bad: string, code: string) =>
      ['a check', `alter table products add check (name not like 'bad%')`, bad, code] as const
    for (const [title, schema, bad, code] of casesFor(engine, [
      checked('bad', '23514'),
      [
        'a trigger that raises',
        trigger('insert', "if new.name like 'bad%' then raise 'no';end if;return new"),
        'bad',
        'P0001',
      ],
      ['a shorter column', 'alter table products alter name type varchar(4)', 'long one', '22001'],
      [
        'a foreign key of the table',
        "create table names as select unnest(array['a', 'b', 'c', 'd', 'e', 'f', 'g']) as name; alter table names add primary key (name); alter table products add foreign key (name) references names not valid",
        'bad',
        '23503',
      ],
      [
        'a trigger after the insert',
        trigger(
          'insert',
          "if new.name like 'bad%' then raise numeric_value_out_of_range;end if;return null",
        ).replace('trigger intervene before', 'trigger intervene after'),
        'bad',
        '22003',
      ],
      [
        'an error of another class',
        trigger(
          'insert',
          "if new.name like 'bad%' then raise 'no' using errcode = 'SHOP1';end if;return new",
        ),
        'bad',
        'SHOP1',
      ],
      [
        'a trigger that drops it',
        trigger('insert', "if new.name like 'bad%' then return null;end if;return new"),
        'bad',
        'undefined',
      ],
      [
        'a check with a rule that logs',
        `create table log (name text); create rule logged as on insert to products do also insert into log values (new.name); ${checked('', '')[1]}`,
        'bad',
        '0A000|23514',
      ],
    ] as const))
      test(`are stored once each without the ones that ${title} refuses, which get the same error as alone`, async () => {
        await execute(store.database, schema)
        const alone = await products.add(creationOf({ name: bad })).then(
          () => assert.fail('it was stored'),
          (error: Error) => describeError(error),
        )
        assert.match(alone, new RegExp(` (${code}) `))
        const good = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
        const outcomes = await addAll([bad, ...good.slice(0, 3), bad, ...good.slice(3), bad])
        const isBad = (index: number) => [0, 4, 9].includes(index)
        for (const [index, outcome] of outcomes.entries())
          if (isBad(index))
            assert.equal(outcome.status === 'rejected' && describeError(outcome.reason), alone)
          else assert.equal(outcome.status, 'fulfilled', `${index}`)
        await assertStored(good, outcomes)
      })

    // PGlite takes a second to open, and the rest does not depend on the driver.
    if (engine === 'PGlite') return

    test('are stored without those that another unique index refuses, also because of one another', async () => {
      await execute(store.database, 'create unique index on products (name)')
      await products.add(creationOf({ name: 'taken' }))
      store.published.length = 0
      await store.database.deleteFrom('products').where('name', '<>', 'taken').execute()
      const outcomes = await addAll(['a', 'taken', 'twice', 'b', 'twice', 'c'])
      const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
      assert.deepEqual(
        refused.map(({ code }) => code),
        ['23505', '23505'],
      )
      const names = (await storedProducts()).map(({ name }) => name)
      assert.deepEqual(names.toSorted(), ['a', 'b', 'c', 'taken', 'twice'])
      assert.equal(store.published.length, 4)
      // It is not taken apart: what was not stored is tried alone.
      assert.equal(matching(/insert products/).length, 1)
    })

    test('get the ids that a trigger gives them', async () => {
      await execute(store.database, trigger('insert', 'new.id := new.id + 1000;return new'))
      const names = ['a', 'b', 'c', 'd', 'e']
      const outcomes = await addAll(names)
      await assertStored(names, outcomes)
      for (const { id } of await storedProducts()) assert.ok(id > 1_000, `${id}`)
    })

    test('get ids that a trigger takes from the same sequence', async () => {
      await execute(
        store.database,
        trigger('insert', "new.id := nextval(pg_get_serial_sequence('products', 'id'));return new"),
      )
      const names = ['a', 'b', 'c', 'd', 'e']
      await assertStored(names, await addAll(names))
    })

    test('get ids if the column always takes them from its sequence', async () => {
      await execute(store.database, 'alter table products alter id set generated always')
      const names = ['a', 'b', 'c']
      await assertStored(names, await addAll(names))
      assert.equal(matching(/insert/).length, 1)
    })

    test('skip ids that an import has used, some of them or all', async () => {
      const imported = [2, 3, 5, 8, 11, 12, 13]
      await sql`insert into products (id, name, price) select id, 'imported', 1 from unnest(${imported}::integer[]) as id`.execute(
        store.database,
      )
      const outcomes = await addAll(Array.from({ length: 12 }, (_, n) => `${n}`))
      const ids = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.id : 0))
      assert.equal(new Set([...ids, ...imported]).size, 19)
      assert.equal((await storedProducts()).length, 19)
      assert.equal(matching(/insert products/).length, 1)
    })

    for (const [sequence, change] of [
      ['of integers is used up', `alter column id restart with ${lastId - 2}`],
      [
        'of bigint has left the range',
        `alter column id type bigint, alter column id restart with ${lastId - 2}`,
      ],
      [
        'that descends has left the range',
        'alter column id set minvalue -99 set increment by -1 restart with 3',
      ],
    ] as const)
      test(`are refused with unavailable when the sequence ${sequence}, and what is acknowledged is stored`, async () => {
        await execute(store.database, `alter table products ${change}`)
        const outcomes = await addAll(Array.from({ length: 8 }, (_, n) => `${n}`))
        const names: string[] = []
        for (const outcome of outcomes)
          if (outcome.status === 'fulfilled') names.push(outcome.value.name)
          else assert.equal(outcome.reason.message, 'no product id is left')
        assert.ok(names.length <= 3, names.join())
        await assertStored(names, outcomes)
      })

    test('are stored although their sequence was replaced a moment ago', async () => {
      await addAll(['a', 'b'])
      store.published.length = 0
      await execute(
        store.database,
        'create table p2 (like products including all); drop table products; alter table p2 rename to products',
      )
      const names = ['c', 'd', 'e']
      await assertStored(names, await addAll(names))
    })

    test('do not delay one another: each moment has its own statement', async () => {
      const first = addAll(['a', 'b'])
      await delay(1)
      const second = addAll(['c', 'd'])
      await Promise.all([first, second])
      assert.equal(matching(/insert products/).length, 2)
    })
  })
