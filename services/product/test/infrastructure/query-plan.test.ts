import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { lowestStockFirst, type ProductListing } from '../../src/domain/product-reader.ts'
import { seedGenerated } from '../../src/infrastructure/generated-products.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresProductReader } from '../../src/infrastructure/postgres-product-reader.ts'
import type { Database, Tables } from '../../src/infrastructure/products-table.ts'
import { deleteProducts, updateProducts } from '../../src/infrastructure/writing/change-statements.ts'
import { sortEntries } from '../support/sorts.ts'
import { openServerDatabase } from '../support/store.ts'

type Plan = Readonly<{ 'Node Type': string; Filter?: string; 'Index Name'?: string; Plans?: readonly Plan[] }>

const count = 20_000

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** A prepared statement has one plan for the values at hand, or one for all values. PostgreSQL chooses between both. */
const planModes = ['force_custom_plan', 'force_generic_plan'] as const

/** Returns the nodes of the plan that PostgreSQL chooses for a prepared statement of the reader. */
const planOf = async (
  database: Database,
  mode: (typeof planModes)[number],
  { sql: text, parameters }: CompiledQuery,
): Promise<Plan[]> => {
  const literals = parameters.map((value) => {
    if (typeof value === 'number') return String(value)
    if (value instanceof Date) return `'${value.toISOString()}'`
    return Array.isArray(value) ? `'{${value.join()}}'` : `'${String(value)}'`
  })
  await sql`set plan_cache_mode = ${sql.raw(mode)}`.execute(database)
  await sql`prepare tested as ${sql.raw(text)}`.execute(database)
  const { rows } = await sql<{
    'QUERY PLAN': readonly { Plan: Plan }[]
  }>`explain (format json) execute tested(${sql.raw(literals.join())})`.execute(database)
  await sql`deallocate tested`.execute(database)
  const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
  assert.ok(plan)
  return nodesOf(plan)
}

const isSequentialScan = ({ 'Node Type': type }: Plan): boolean => type === 'Seq Scan'

describe('plans of statements: every page, first or deep, is a single index range scan', {
  skip: withoutPostgres,
}, () => {
  let schema: Awaited<ReturnType<typeof ownSchema>>
  let database: Database
  const statements: CompiledQuery[] = []
  /** Every statement that was planned. */
  const everyStatement: CompiledQuery[] = []

  before(async () => {
    schema = await ownSchema()
    database = new Kysely<Tables>({
      dialect: new PostgresDialect({ pool: new Pool({ connectionString: schema.url, max: 1 }) }),
      log: ({ query }) => void statements.push(query),
    })
    await migrations.apply(database)
    await seedGenerated(database, { count, seed: 1, onProgress: () => {} })
    await sql`analyze products`.execute(database)
  })
  after(async () => {
    await database.destroy()
    await schema[Symbol.asyncDispose]()
  })

  const middle = {
    id: count / 2,
    price: 5_000n,
    stock: 250,
    name: 'Light Kite 10000',
    createdAt: new Date(),
  }
  const listings: Record<string, ProductListing> = {
    ...Object.fromEntries(
      sortEntries.flatMap(([word, sort]) => [
        [`${word}, first page`, { sort, limit: 100 }],
        [`${word}, deep page`, { sort, limit: 100, after: { key: middle[sort.by], id: middle.id } }],
      ]),
    ),
    'low stock, first page': { sort: lowestStockFirst, maxStock: 10, limit: 100 },
    'low stock, deep page': {
      sort: lowestStockFirst,
      maxStock: 400,
      limit: 100,
      after: { key: 390, id: 16_000 },
    },
    ...Object.fromEntries(
      sortEntries.flatMap(([word, sort]) => [
        [`a common category, ${word}, first page`, { sort, category: 'Books', limit: 100 }],
        [
          `a common category, ${word}, deep page`,
          { sort, category: 'Books', limit: 100, after: { key: middle[sort.by], id: middle.id } },
        ],
      ]),
    ),
  }

  const planFor = async (listing: ProductListing, mode: (typeof planModes)[number]) => {
    statements.length = 0
    await postgresProductReader(database).list(listing)
    const [statement] = statements
    assert.ok(statement)
    everyStatement.push(statement)
    return planOf(database, mode, statement)
  }

  for (const [name, listing] of Object.entries(listings))
    for (const mode of planModes)
      it(`${name}, ${mode}`, async () => {
        const nodes = await planFor(listing, mode)
        assert.deepEqual(
          nodes.map((node) => node['Node Type']),
          ['Limit', 'Index Scan'],
        )
        assert.equal(
          nodes.find(({ Filter }) => Filter !== undefined),
          undefined,
          'rows are read and then filtered out',
        )
      })

  it('large pages are that and a running sum, without a sort', async () => {
    for (const listing of Object.values(listings))
      for (const mode of planModes) {
        const nodes = await planFor({ ...listing, limit: 101, maxDescriptionBytes: 1_000_000 }, mode)
        assert.deepEqual(
          nodes.map((node) => node['Node Type']).filter((type) => type !== 'Subquery Scan'),
          ['WindowAgg', 'Limit', 'Index Scan'],
        )
      }
  })

  it('except that of an empty category nothing is read', async () => {
    for (const [, sort] of sortEntries)
      for (const mode of planModes) {
        const nodes = await planFor({ sort, category: 'Nothing', limit: 100 }, mode)
        const names = nodes.flatMap((node) => node['Index Name'] ?? [])
        assert.ok(names.length === 1 && names[0]?.startsWith('products_category_'), String(names))
      }
  })

  it('except that a group is read as a whole, and only the group', async () => {
    for (const [, sort] of sortEntries)
      for (const mode of planModes)
        for (const listing of [
          { sort, groupId: 'model-7', limit: 100 },
          { sort, groupId: 'model-7', category: 'Books', limit: 100 },
          { sort, groupId: 'model-7', limit: 100, after: { key: middle[sort.by], id: middle.id } },
        ]) {
          const nodes = await planFor(listing, mode)
          assert.deepEqual(
            nodes.flatMap((node) => node['Index Name'] ?? []),
            ['products_group_id_id'],
          )
        }
  })

  const productAt = async (id: number) => {
    const [product] = await postgresProductReader(database).findMany([id])
    assert.ok(product)
    return product
  }
  const byIds: Record<string, (on: Database) => Promise<unknown>> = {
    'a read by ids': (on) => postgresProductReader(on).findMany([1]),
    'an update': async (on) =>
      updateProducts(on, [{ before: await productAt(1), after: await productAt(1) }]),
    'a removal': async (on) =>
      deleteProducts(on, [{ before: { ...(await productAt(1)), version: 99 }, after: undefined }]),
  }

  for (const [name, run] of Object.entries(byIds)) {
    it(`${name} reads products by their primary key only`, async () => {
      statements.length = 0
      await run(database)
      const statement = statements.at(-1)
      assert.ok(statement)
      everyStatement.push(statement)
      for (const mode of planModes) {
        const nodes = await planOf(database, mode, statement)
        const scans = nodes.filter(({ 'Node Type': type }) => type.includes('Scan'))
        assert.ok(scans.some((node) => node['Index Name'] === 'products_pkey'))
        assert.ok(!scans.some(isSequentialScan))
      }
    })
  }

  it('a session plans each statement once, whatever its values are', async () => {
    await using opened = openServerDatabase(schema.url)
    const lists = Object.values(listings)
    const plans = await opened.database.connection().execute(async (connection) => {
      for (let executed = 0; executed < 7; executed++) {
        for (const run of Object.values(byIds)) await run(connection)
        for (const listing of lists) await postgresProductReader(connection).list(listing)
      }
      const { rows } = await sql<{ custom: number; generic: number }>`
        select custom_plans::integer as custom, generic_plans::integer as generic from pg_prepared_statements
      `.execute(connection)
      return rows
    })
    assert.ok(plans.length > 10)
    for (const { custom, generic } of plans) assert.ok(custom === 0 && generic > 0, `${custom}, ${generic}`)
  })

  it('a plan that was made for an empty table reads an index, too', async () => {
    await using empty = await ownSchema()
    await using opened = openServerDatabase(empty.url)
    await migrations.apply(opened.database)
    assert.ok(everyStatement.length > 20)
    await opened.database.connection().execute(async (connection) => {
      for (const statement of everyStatement)
        assert.ok(!(await planOf(connection, 'force_generic_plan', statement)).some(isSequentialScan))
    })
  })
})
