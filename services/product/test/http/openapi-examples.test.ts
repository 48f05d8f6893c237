import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { readExamples } from '@shop/testing/asserts/openapi-examples.ts'
import { assertRefusals } from '@shop/testing/asserts/openapi-refusals.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { sql } from 'kysely'
import { createApp } from '../../src/app.ts'
import { openApp } from '../support/store.ts'

const bug: Step = () => async () => {
  throw new TypeError('a bug')
}

/** What a limit of a client does. */
const refuse: Step = () => async () => {
  throw new AppError('rate_limited', 'too many requests; try again later')
}

const writes = ['replaceProduct', 'patchProduct', 'deleteProduct']
const reads = ['listProducts', 'topProducts', 'lowStockProducts', 'productsByCategory', 'getProduct']

it('every response in the OpenAPI document is one that the service gives, and every error is its example', async () => {
  await using app = await openApp()
  const { http, store } = app
  const examples = await readExamples(http)
  const { assertProblem, assertSuccess, operationsWith } = examples
  examples.assertExamplesValid()

  for (const operation of operationsWith('payload_too_large'))
    await assertProblem(http, operation, 'payload_too_large', {
      headers: { 'content-type': 'application/json' },
      payload: { name: 'x'.repeat(256 * 1024) },
    })
  for (const operation of operationsWith('unsupported_media_type'))
    await assertProblem(http, operation, 'unsupported_media_type', {
      headers: { 'content-type': 'text/csv' },
      payload: 'name,price',
    })
  for (const operation of ['listProducts', 'lowStockProducts', 'productsByCategory'])
    await assertProblem(http, operation, 'invalid', { query: { limit: '1001' } })
  for (const operation of ['createProduct', 'replaceProduct', 'patchProduct'])
    await assertProblem(http, operation, 'invalid', { payload: { name: 'Pen', price: -1 } })
  for (const operation of operationsWith('invalid')) await assertProblem(http, operation, 'invalid')
  for (const operation of operationsWith('not_found')) await assertProblem(http, operation, 'not_found')

  for (let id = 1; id <= 10; id++) await assertSuccess(http, 'createProduct', 201)
  for (const stock of [1, 2]) await http.inject({ method: 'PATCH', url: '/products/10', payload: { stock } })
  for (const operation of reads) await assertSuccess(http, operation, 200)
  await assertSuccess(http, 'getProduct', 304, { headers: { 'if-none-match': '"1"' } })
  await assertSuccess(http, 'replaceProduct', 200)
  await assertSuccess(http, 'patchProduct', 200)
  for (const operation of writes)
    await assertProblem(http, operation, 'stale_version', { headers: { 'if-match': '"1"' } })
  const reused = { headers: { 'idempotency-key': 'reused' } }
  await http.inject({ method: 'PATCH', url: '/products/9', payload: { stock: 1 }, ...reused })
  for (const operation of operationsWith('idempotency_key_reused'))
    await assertProblem(http, operation, 'idempotency_key_reused', reused)

  for (const statement of [
    'alter table products add unique (id, price)',
    'create table orders (id integer, price numeric, foreign key (id, price) references products (id, price))',
    'insert into orders select id, price from products',
  ])
    await sql.raw(statement).execute(store.database)
  await assertProblem(http, 'replaceProduct', 'product_referenced')
  await assertProblem(http, 'patchProduct', 'product_referenced', { payload: { price: 20 } })
  await assertProblem(http, 'deleteProduct', 'product_referenced')
  await sql.raw('drop table orders').execute(store.database)
  await assertSuccess(http, 'deleteProduct', 204)

  for (const operation of ['health', 'ready', 'live', 'metrics']) await assertSuccess(http, operation, 200)
  await assertSuccess(http, 'metrics', 200, { headers: { accept: 'application/openmetrics-text' } })
  app.health.stop()
  for (const operation of ['health', 'ready']) await assertSuccess(http, operation, 503)

  const adapters = { ports: store, dependencies: [] }
  await using faulty = await createApp(adapters, silentLogger, undefined, { steps: [bug] })
  for (const operation of operationsWith('internal')) await assertProblem(faulty.http, operation, 'internal')

  await using refusing = await createApp(adapters, silentLogger, undefined, { steps: [refuse] })
  for (const operation of operationsWith('rate_limited'))
    await assertProblem(refusing.http, operation, 'rate_limited')

  await using overloaded = await createApp(adapters, silentLogger, undefined, {
    http: { maxEventLoopDelayMs: Number.MIN_VALUE },
  })
  await overloaded.http.ready()
  await eventually(20_000, () => assertProblem(overloaded.http, 'listProducts', 'unavailable'))
  for (const operation of operationsWith('unavailable'))
    await assertProblem(overloaded.http, operation, 'unavailable')

  await assertRefusals(examples, (identity) =>
    createApp(adapters, silentLogger, undefined, { identity: { ...identity, jobs: [], dependencies: [] } }),
  )
  assert.deepEqual([...examples.unseen], [])
})
