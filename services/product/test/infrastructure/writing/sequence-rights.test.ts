import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { poolShares } from '../../../src/infrastructure/limits/pool-shares.ts'
import { openRepository } from '../../../src/infrastructure/postgres-ports.ts'
import { holdLocks } from '../../support/locks.ts'
import { grantAll, ownRole } from '../../support/role.ts'
import { recordStatements } from '../../support/statements.ts'
import { creationOf, deleteProduct, openServerDatabase } from '../../support/store.ts'

const timesOf = (count: number) => Array.from({ length: count }, (_, n) => n)

/** Opens a repository as a role without a right on the sequence of the ids. */
const open = async (parameters = '') => {
  const stack = new AsyncDisposableStack()
  const role = stack.use(await ownRole())
  await role.migrate()
  await role.query(grantAll(role.role))
  const { database } = stack.use(openServerDatabase(role.url + parameters))
  const { database: recorded, matching, clear } = recordStatements(database)
  const warnings: string[] = []
  const products = openRepository(
    recorded,
    () => {},
    poolShares(),
    (message) => warnings.push(message),
  )
  return {
    role,
    products,
    warnings,
    matching,
    /** Adds this many products at the same moment. Resolves with the numbers of statements for many, and for one. */
    addTogether: async (count: number) => {
      clear()
      const added = await Promise.all(timesOf(count).map(() => products.add(creationOf())))
      assert.equal(new Set(added.map(({ id }) => id)).size, count)
      return [matching(/insert products/).length, matching(/^insert/).length]
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test('without a right on the sequence, new products are stored one by one, and a warning says once what to grant', {
  skip: withoutPostgres,
}, async (t) => {
  await using opened = await open()
  const { role, warnings, addTogether } = opened
  assert.deepEqual(await addTogether(1), [0, 1])
  assert.deepEqual(warnings, [])
  for (const count of [20, 30]) assert.deepEqual(await addTogether(count), [0, count])
  const now = performance.now.bind(performance)
  const later = (minutes: number) => t.mock.method(performance, 'now', () => now() + minutes * 61_000)
  later(1)
  assert.deepEqual(await addTogether(20), [0, 20])
  assert.deepEqual(warnings, [
    `new products are stored one by one: the role ${role.role} may not use the sequence products_id_seq, grant it usage on the sequence`,
  ])

  await role.query(`grant usage on sequence products_id_seq to ${role.role}`)
  later(2)
  assert.deepEqual(await addTogether(20), [1, 0])

  // Products are stored at once when the right is revoked again.
  await role.query(`revoke usage on sequence products_id_seq from ${role.role}`)
  assert.deepEqual(await addTogether(20), [1, 20])
  assert.deepEqual(await addTogether(20), [0, 20])
  assert.equal(warnings.length, 1)
})

test('without a right on the sequence, new products use two connections, and do not wait for locked products', {
  skip: withoutPostgres,
}, async () => {
  await using opened = await open()
  const { role, products, addTogether } = opened
  await role.query(`
    create function count_sessions() returns trigger language plpgsql security definer as $$
      declare writing integer;
      begin
        perform pg_sleep(0.02);
        select count(*) into writing from pg_stat_activity
          where usename = '${role.role}' and state = 'active' and query ~ '^\\W*insert';
        if writing > 2 then raise '% connections', writing; end if;
        return new;
      end $$;
    create trigger count_sessions before insert on products for each row execute function count_sessions()`)
  assert.deepEqual(await addTogether(5), [0, 5])
  await using locks = await holdLocks(role.ownerUrl, 'select from products for update')
  const waiting = Promise.allSettled(timesOf(5).map((n) => deleteProduct(products, n + 1)))
  await eventually(5_000, async () => assert.ok((await locks.blockedStatements()).length >= 3))
  assert.deepEqual(await addTogether(20), [0, 20])
  assert.ok((await locks.blockedStatements()).length >= 3)
  await locks.release()
  await waiting
})

test('without a right on the sequence, an outage fails all new products of the moment alike, after one attempt', {
  skip: withoutPostgres,
}, async () => {
  await using opened = await open('&statement_timeout=300')
  const { role, products, matching, addTogether } = opened
  assert.deepEqual(await addTogether(2), [0, 2])
  await using locks = await holdLocks(role.ownerUrl, 'lock table products in exclusive mode')
  const outcomes = await Promise.allSettled(timesOf(30).map(() => products.add(creationOf())))
  for (const outcome of outcomes)
    assert.equal(outcome.status === 'rejected' && outcome.reason.cause.code, '57014')
  assert.equal(matching(/^insert/).length, 3)
  await locks.release()
  assert.deepEqual(await addTogether(2), [0, 2])
})
