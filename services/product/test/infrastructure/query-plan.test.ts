import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { byId, lowestStockFirst, type ProductListing } from '../../src/domain/product-reader.ts'
import { seedGenerated } from '../../src/infrastructure/generated-products.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresProductReader } from '../../src/infrastructure/postgres-product-reader.ts'
import type { Database, Tables } from '../../src/infrastructure/products-table.ts'
import { sortEntries } from '../support/sorts.ts'

type Plan = Readonly<{ 'Node Type': string; Filter?: string; 'Index Name'?: string; Plans?: readonly Plan[] }>

const count = 50_000

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** Returns the nodes of the plan that PostgreSQL chooses for a statement of the reader. */
const planOf = async (database: Database, { sql: text, parameters }: CompiledQuery): Promise<Plan[]> => {
  const literal = text.replace(/\$(\d+)/g, (_, index: string) => {
    const value = parameters[Number(index) - 1]
    return typeof value === 'number'
      ? String(value)
      : `'${value instanceof Date ? value.toISOString() : String(value)}'`
  })
  const { rows } = await sql<{
    'QUERY PLAN': readonly { Plan: Plan }[]
  }>`explain (format json) ${sql.raw(literal)}`.execute(database)
  const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
  assert.ok(plan)
  return nodesOf(plan)
}

describe('every page, first or deep, is a single index range scan', { skip: withoutPostgres }, () => {
  let schema: Awaited<ReturnType<typeof ownSchema>>
  let database: Database
  const statements: CompiledQuery[] = []

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
    name: 'Light Kite 25000',
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
      after: { key: 390, id: 40_000 },
    },
    'a common category, first page': { sort: byId, category: 'Books', limit: 100 },
    'a common category, deep page': {
      sort: byId,
      category: 'Books',
      limit: 100,
      after: { key: 40_000, id: 40_000 },
    },
    'an empty category': { sort: byId, category: 'Nothing', limit: 100 },
  }

  for (const [name, listing] of Object.entries(listings)) {
    it(name, async () => {
      statements.length = 0
      await postgresProductReader(database).list(listing)
      const [statement] = statements
      assert.ok(statement)
      const nodes = await planOf(database, statement)
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
  }
})
