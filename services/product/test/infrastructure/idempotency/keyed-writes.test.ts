import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Expected } from '@shop/kernel/expectation.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import { sql } from 'kysely'
import {
  newProduct,
  type ProductFields,
  type ProductState,
  removeProduct,
  requireExisting,
  reviseProduct,
} from '../../../src/domain/product.ts'
import type { WriteCaller } from '../../../src/domain/product-repository.ts'
import { openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import { callerWith } from '../../support/keys.ts'
import { execute, trigger } from '../../support/schema.ts'
import { creationOf, engines, fieldsOf, type Store } from '../../support/store.ts'

const reused = { code: 'idempotency_key_reused' }

for (const { engine, open, skip } of engines)
  describe(`writes with an idempotency key in ${engine}`, { skip }, () => {
    let store: Store
    before(async () => {
      store = await open()
    })
    beforeEach(async () => {
      await store.database.deleteFrom('products').execute()
      await sql`delete from idempotency_keys`.execute(store.database)
      store.published.length = 0
    })
    after(() => store[Symbol.asyncDispose]())

    const count = async (): Promise<number> =>
      (await sql<{ count: number }>`select count(*)::integer from products`.execute(store.database)).rows[0]
        ?.count ?? -1
    const revise = (
      id: number,
      changes: Partial<ProductFields>,
      caller: WriteCaller,
      expected: Expected<ProductState> = 'anything',
    ) =>
      store.products.update(
        id,
        (stored) => reviseProduct(requireExisting(id, stored, expected), changes),
        caller,
      )
    const remove = (id: number, caller: WriteCaller, expected: Expected<ProductState> = 'anything') =>
      store.products.update(
        id,
        (stored) => {
          requireExisting(id, stored, expected)
          return removeProduct()
        },
        caller,
      )

    test('a repeated creation creates nothing, returns the first product, and publishes no event', async () => {
      const fields = { description: 'é"\\\n', price: 9_999_999_999_99n, stock: 3, groupId: 'g' }
      const [first, second] = [callerWith('a'), callerWith('a')]
      const added = await store.products.add(creationOf(fields), first)
      assert.deepEqual(await store.reader.find(added.id), added)
      assert.deepEqual(await store.products.add(creationOf(fields), second), added)
      assert.deepEqual([first.replays, second.replays], [0, 1])
      assert.equal(await count(), 1)
      assert.deepEqual(
        store.published.map(({ type, productId }) => [type, productId]),
        [['product_created', added.id]],
      )
      // The repetition has not used up an id.
      assert.equal((await store.products.add(creationOf())).id, added.id + 1)
    })

    test('a repeated update returns the first product, with an old precondition too', async () => {
      const { id } = await store.products.add(creationOf())
      const [first, second] = [callerWith('a'), callerWith('a')]
      const updated = await revise(id, { stock: 7 }, first, [{ version: 1 }])
      assert.deepEqual([updated.version, updated.stock], [2, 7])
      assert.deepEqual(await store.reader.find(id), updated)
      const events = store.published.length
      assert.deepEqual(await revise(id, { stock: 7 }, second, [{ version: 1 }]), updated)
      assert.deepEqual([first.replays, second.replays], [0, 1])
      assert.equal(store.published.length, events)
      assert.deepEqual(await store.reader.find(id), updated)
    })

    test('a repeated removal succeeds', async () => {
      const { id } = await store.products.add(creationOf())
      const second = callerWith('a')
      assert.equal(await remove(id, callerWith('a'), [{ version: 1 }]), undefined)
      assert.equal(await remove(id, second, [{ version: 1 }]), undefined)
      assert.equal(second.replays, 1)
      assert.deepEqual(
        store.published.map(({ type }) => type),
        ['product_created', 'product_deleted'],
      )
    })

    test('a write is repeated after the product has changed or is removed', async () => {
      const added = await store.products.add(creationOf(), callerWith('create'))
      const updated = await revise(added.id, { stock: 7 }, callerWith('update'))
      const later = await revise(added.id, { stock: 9 }, callerWith('later'))
      assert.deepEqual(await revise(added.id, { stock: 7 }, callerWith('update')), updated)
      assert.deepEqual(await store.reader.find(added.id), later)
      await remove(added.id, callerWith('remove'))
      assert.deepEqual(await store.products.add(creationOf(), callerWith('create')), added)
      assert.deepEqual(await revise(added.id, { stock: 7 }, callerWith('update')), updated)
      assert.equal(await count(), 0)
    })

    test('the key of another request is refused, and nothing is written', async () => {
      const { id } = await store.products.add(creationOf(), callerWith('a'))
      const other = callerWith('a', { fingerprint: 'another' })
      await assert.rejects(store.products.add(creationOf({ name: 'x' }), other), reused)
      await assert.rejects(revise(id, { stock: 7 }, other), reused)
      await assert.rejects(remove(id, other), reused)
      // Also if the product of the other request does not exist.
      await assert.rejects(revise(id + 1, { stock: 7 }, other), reused)
      assert.equal(other.replays, 0)
      assert.deepEqual([await count(), (await store.reader.find(id))?.version], [1, 1])
    })

    test('callers have keys of their own; those without an identity share theirs', async () => {
      const scopes = new Set<string>()
      const principals: Principal[] = [
        { kind: 'user', subject: 'x', scopes },
        { kind: 'user', subject: 'y', scopes },
        { kind: 'machine', name: 'x', scopes },
        { kind: 'unrestricted' },
      ]
      const ids = []
      for (const principal of principals)
        ids.push((await store.products.add(creationOf(), callerWith('a', { principal }))).id)
      assert.equal(new Set(ids).size, principals.length)
      const anonymous = callerWith('a', { principal: { kind: 'anonymous' } })
      assert.equal((await store.products.add(creationOf(), anonymous)).id, ids.at(-1))
      const { rows } = await sql<{
        row: string
      }>`select idempotency_keys::text as row from idempotency_keys`.execute(store.database)
      for (const { row } of rows) assert.match(row, /^\([\w-]{16},request,/)
    })

    test('a refused write is not remembered', async () => {
      const { id, version } = await store.products.add(creationOf())
      const caller = callerWith('a')
      await assert.rejects(revise(id + 1, {}, caller), { code: 'not_found' })
      await assert.rejects(revise(id, {}, caller, [{ version: 9 }]), { code: 'stale_version' })
      await assert.rejects(revise(id, { stock: -1 }, caller), { code: 'invalid' })
      await assert.rejects(remove(id + 1, caller), { code: 'not_found' })
      assert.equal((await revise(id, { stock: 7 }, caller)).version, version + 1)
      assert.equal(caller.replays, 0)
    })

    test('a removal of what is not there is not remembered, nor repeated by others that wait for it', async () => {
      const { id } = await store.products.add(creationOf())
      const callers = Array.from({ length: 3 }, () => callerWith('a'))
      await Promise.all(callers.map((caller) => store.products.update(id + 1, removeProduct, caller)))
      assert.deepEqual(
        callers.map(({ replays }) => replays),
        [0, 0, 0],
      )
      assert.equal((await revise(id, { stock: 7 }, callerWith('a'))).version, 2)
    })

    test('concurrent creations with one key create one product', async () => {
      const callers = Array.from({ length: 30 }, () => callerWith('a'))
      const writes = callers.map((caller) => store.products.add(creationOf(), caller))
      const other = store.products.add(creationOf(), callerWith('a', { fingerprint: 'another' }))
      await assert.rejects(other, reused)
      const [first, ...rest] = await Promise.all(writes)
      for (const product of rest) assert.deepEqual(product, first)
      assert.equal(
        callers.reduce((sum, { replays }) => sum + replays, 0),
        29,
      )
      assert.equal(await count(), 1)
      assert.equal(store.published.length, 1)
    })

    test('of concurrent writes with one key, the first that is not refused takes effect, and the rest repeat it', async () => {
      const { id } = await store.products.add(creationOf({ stock: 0 }))
      const callers = Array.from({ length: 20 }, () => callerWith('a'))
      // The first ten expect a version that is not stored.
      const outcomes = await Promise.allSettled(
        callers.map((caller, n) => revise(id, { stock: 7 }, caller, n < 10 ? [{ version: 5 }] : 'anything')),
      )
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        callers.map((_, n) => (n < 10 ? 'rejected' : 'fulfilled')),
      )
      assert.equal(
        callers.reduce((sum, { replays }) => sum + replays, 0),
        9,
      )
      assert.equal((await store.reader.find(id))?.version, 2)
    })

    test('concurrent removals with one key succeed', async () => {
      const { id } = await store.products.add(creationOf())
      await Promise.all(Array.from({ length: 20 }, () => remove(id, callerWith('a'))))
      assert.equal(await count(), 0)
      assert.equal(store.published.filter(({ type }) => type === 'product_deleted').length, 1)
    })

    test('an id that is taken is replaced, and a product that a trigger ignores is not remembered', async () => {
      const { id } = await store.products.add(creationOf())
      await sql`insert into products (id, name, price) values (${id + 1}, 'taken', 1)`.execute(store.database)
      assert.ok((await store.products.add(creationOf(), callerWith('a'))).id > id + 1)
      const products = openRepository(store.database, () => {})
      await execute(store.database, trigger('insert or update or delete', 'return null'))
      try {
        const unavailable = { code: 'unavailable' }
        await assert.rejects(products.add(creationOf(), callerWith('b')), unavailable)
        const change = () => ({ product: undefined, events: [] })
        await assert.rejects(products.update(id, change, callerWith('b')), unavailable)
      } finally {
        await execute(store.database, 'drop function intervene cascade')
      }
      const caller = callerWith('b')
      await products.add(creationOf(), caller)
      assert.equal(caller.replays, 0)
    })

    test('a write that the schema refuses is judged anew', async () => {
      const products = openRepository(store.database, () => {})
      await execute(store.database, "alter table products add constraint no_x check (name <> 'x')")
      await assert.rejects(products.add(creationOf({ name: 'x' }), callerWith('a')), { code: 'unavailable' })
      await execute(store.database, 'alter table products drop constraint no_x')
      const caller = callerWith('a')
      assert.equal((await products.add(newProduct(fieldsOf({ name: 'x' })), caller)).name, 'x')
      assert.equal(caller.replays, 0)
    })

    test('a referenced product is not removed, and the removal is judged anew', async () => {
      const { id } = await store.products.add(creationOf())
      await execute(
        store.database,
        `create table lines (product_id int references products); insert into lines values (${id})`,
      )
      await assert.rejects(remove(id, callerWith('a')), { code: 'product_referenced' })
      await execute(store.database, 'drop table lines')
      assert.equal(await remove(id, callerWith('a')), undefined)
      assert.equal(await count(), 0)
    })

    test('what is older than a day is forgotten, the oldest first, in batches', async () => {
      await sql`insert into idempotency_keys (key, fingerprint, product_id, written_at)
        select n, 'f', n, now() - interval '24 hours' - n * interval '1 second' from generate_series(1, 1500) n`.execute(
        store.database,
      )
      await sql`insert into idempotency_keys (key, fingerprint, product_id, written_at)
        values ('young', 'f', 1, now() - interval '23 hours 59 minutes')`.execute(store.database)
      const left = async () =>
        (
          await sql<{ key: string }>`select key from idempotency_keys order by written_at`.execute(
            store.database,
          )
        ).rows.map(({ key }) => key)
      assert.equal(await store.rememberedWrites.forgetOld(), true)
      assert.deepEqual((await left()).toReversed().slice(0, 3), ['young', '1', '2'])
      assert.equal((await left()).length, 501)
      assert.equal(await store.rememberedWrites.forgetOld(), false)
      assert.deepEqual(await left(), ['young'])
      assert.equal(await store.rememberedWrites.forgetOld(), false)
    })

    test('a product of which a newer release has stored more, is returned without that; one that lacks a field is not made up', async () => {
      await store.products.add(creationOf(), callerWith('a'))
      await sql`update idempotency_keys set fields = fields || '{"newer": 1}'`.execute(store.database)
      const added = await store.products.add(creationOf(), callerWith('a'))
      assert.deepEqual(await store.reader.find(added.id), added)
      await sql`update idempotency_keys set fields = fields - 'name'`.execute(store.database)
      const products = openRepository(store.database, () => {})
      await assert.rejects(products.add(creationOf(), callerWith('a')), { code: 'unavailable' })
    })
  })
