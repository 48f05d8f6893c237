import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { type Request, send } from '../support/http.ts'

const payload = { name: 'Desk Lamp', price: 34.5, stock: 5, category: 'Home' }

let keys = 0
/** Each with a key of its own. */
const keyedRequestsFor = (id: number): Request[] =>
  (
    [
      { method: 'POST', url: '/products', payload },
      { method: 'PATCH', url: `/products/${id}`, payload: { stock: 2 } },
    ] as const
  ).map((request) => ({ ...request, headers: { 'idempotency-key': `${(keys += 1)}` } }))

/** Requests that run each statement of the service; several at a time, so that every connection has them. */
const requestsFor = (id: number): Request[] => [
  ...keyedRequestsFor(id),
  { method: 'POST', url: '/products', payload },
  { method: 'PUT', url: `/products/${id}`, payload },
  { method: 'PATCH', url: `/products/${id}`, payload: { stock: 4 } },
  { method: 'PATCH', url: `/products/${id}`, payload: { stock: 3 } },
  { url: `/products/${id}` },
  ...['', '/top-5', '/low-stock-9', '/category/Home'].map((path) => ({ url: `/products${path}` })),
]

test('every request succeeds at once after the types of columns have changed', {
  skip: withoutPostgres,
}, async () => {
  await using schema = await ownSchema()
  const config = readConfig({ DATABASE_URL: schema.url })
  await using adapters = await openAdapters({ config, logger: silentLogger })
  await using app = await createApp(adapters, silentLogger)
  const statusesOf = async (id: number) => {
    const requests = [...requestsFor(id), ...requestsFor(id), ...requestsFor(id)]
    const responses = await Promise.all(requests.map((request) => send(app.http, request)))
    return responses.map(({ statusCode }) => statusCode)
  }
  const ready = async () => assert.equal((await send(app.http, { url: '/health/ready' })).statusCode, 200)
  await eventually(20_000, ready)
  const created = await send(app.http, { method: 'POST', url: '/products', payload })
  const { id } = created.json()
  const expected = await statusesOf(id)
  assert.ok(expected.every((status) => status < 300))

  for (const change of [
    'price type numeric(14, 2)',
    'id type bigint',
    'version type bigint',
    'price type numeric(16, 4)',
  ]) {
    await query(`alter table products alter column ${change}`, schema.url)
    assert.deepEqual(await statusesOf(id), expected, change)
  }
  const { body: _, ...product } = (await send(app.http, { url: `/products/${id}` })).json()
  assert.deepEqual([product.id, product.price, typeof product.version], [id, 34.5, 'number'])
})
