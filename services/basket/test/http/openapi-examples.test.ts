import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { readExamples } from '@shop/testing/asserts/openapi-examples.ts'
import { assertRefusals } from '@shop/testing/asserts/openapi-refusals.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { aProduct } from '../support/baskets.ts'
import { basketOf, itemsOf, openApp } from '../support/http.ts'

const bug: Step = () => async () => {
  throw new TypeError('a bug')
}

/** What the share of the connections of a client does. */
const refuse: Step = () => async () => {
  throw new AppError('rate_limited', 'too many requests; try again later')
}

/** They have a limit of their own. */
const creations = ['createBasket', 'addItem', 'setQuantities']

const reused = { headers: { 'idempotency-key': 'reused' } }

const stale = { headers: { 'if-match': '"1"' } }

it('every response in the OpenAPI document is one that the service gives, and every error is its example', async () => {
  await using app = await openApp()
  const { http, catalog } = app
  const basket = basketOf(http, 'user123')
  const examples = await readExamples(http)
  const { assertProblem, assertSuccess, operationsWith } = examples
  examples.assertExamplesValid()

  for (const operation of operationsWith('payload_too_large'))
    await assertProblem(http, operation, 'payload_too_large', {
      headers: { 'content-type': 'application/json' },
      payload: { user_id: 'x'.repeat(64 * 1024) },
    })
  for (const operation of operationsWith('unsupported_media_type'))
    await assertProblem(http, operation, 'unsupported_media_type', {
      headers: { 'content-type': 'text/csv' },
      payload: 'product_id,quantity',
    })
  await assertProblem(http, 'createBasket', 'invalid', { payload: { user_id: 'user 123' } })
  await assertProblem(http, 'addItem', 'invalid', { payload: { product_id: 1, quantity: 0 } })
  await assertProblem(http, 'setQuantities', 'invalid', { payload: itemsOf([[1, 1_000]]) })
  await assertProblem(http, 'setQuantity', 'invalid', { payload: { quantity: 1_000 } })
  for (const operation of operationsWith('invalid')) await assertProblem(http, operation, 'invalid')

  for (const operation of operationsWith('product_not_found'))
    await assertProblem(http, operation, 'product_not_found')
  await assertProblem(http, 'createBasket', 'not_found', { payload: { user_id: 'guest:nobody' } })
  for (const operation of ['getBasket', 'clearBasket', 'deleteBasket'])
    await assertProblem(http, operation, 'not_found')
  catalog.products.set(1, aProduct({ stock: 3 }))
  await assertSuccess(http, 'createBasket', 201)
  await assertSuccess(http, 'createBasket', 200)
  await assertSuccess(http, 'createBasket', 201, { payload: { guest: true } })
  for (const operation of ['setQuantity', 'removeItem']) await assertProblem(http, operation, 'not_found')

  await assertSuccess(http, 'addItem', 200)
  await assertSuccess(http, 'setQuantity', 200)
  await assertProblem(http, 'addItem', 'insufficient_stock')
  await assertProblem(http, 'setQuantities', 'insufficient_stock', { payload: itemsOf([[1, 5]]) })
  await assertProblem(http, 'setQuantity', 'insufficient_stock', { payload: { quantity: 5 } })
  await assertSuccess(http, 'setQuantities', 200)
  for (const operation of operationsWith('stale_version'))
    await assertProblem(http, operation, 'stale_version', stale)
  await basket.add(1, 1, reused.headers)
  for (const operation of operationsWith('idempotency_key_reused'))
    await assertProblem(http, operation, 'idempotency_key_reused', reused)
  catalog.products.set(1, aProduct({ stock: 2_000 }))
  await basket.set(1, 999)
  await assertProblem(http, 'addItem', 'basket_full', { payload: { product_id: 1, quantity: 1 } })
  for (let id = 2; id <= 101; id++) catalog.products.set(id, aProduct({ id }))
  await basket.addSeveral(Array.from({ length: 99 }, (_, index) => [index + 2, 1] as const))
  await assertProblem(http, 'setQuantities', 'basket_full', { payload: itemsOf([[101, 1]]) })
  catalog.down = true
  for (const operation of ['addItem', 'setQuantities', 'setQuantity'])
    await assertProblem(http, operation, 'unavailable')

  const { etag } = (await assertSuccess(http, 'getBasket', 200)).headers
  await assertSuccess(http, 'getBasket', 304, { headers: { 'if-none-match': String(etag) } })
  for (const operation of ['removeItem', 'clearBasket']) await assertSuccess(http, operation, 200)
  await assertSuccess(http, 'deleteBasket', 204)

  for (const operation of ['health', 'ready', 'live', 'metrics']) await assertSuccess(http, operation, 200)
  await assertSuccess(http, 'metrics', 200, { headers: { accept: 'application/openmetrics-text' } })
  app.health.stop()
  for (const operation of ['health', 'ready']) await assertSuccess(http, operation, 503)

  const adapters = { ports: app.ports, dependencies: [] }
  await using faulty = await createApp(adapters, silentLogger, undefined, { steps: [bug] })
  for (const operation of operationsWith('internal')) await assertProblem(faulty.http, operation, 'internal')

  await using overloaded = await createApp(adapters, silentLogger, undefined, {
    http: { maxEventLoopDelayMs: Number.MIN_VALUE },
  })
  await overloaded.http.ready()
  await eventually(20_000, () => assertProblem(overloaded.http, 'getBasket', 'unavailable'))
  for (const operation of operationsWith('unavailable'))
    await assertProblem(overloaded.http, operation, 'unavailable')

  catalog.down = false
  await using limited = await createApp(adapters, silentLogger, undefined, { newBasketsPerHour: 1 })
  await basketOf(limited.http, 'another').create()
  for (const operation of creations) await assertProblem(limited.http, operation, 'rate_limited')

  await using refusing = await createApp(adapters, silentLogger, undefined, { steps: [refuse] })
  for (const operation of operationsWith('rate_limited'))
    if (!creations.includes(operation)) await assertProblem(refusing.http, operation, 'rate_limited')

  await assertRefusals(examples, (identity) =>
    createApp(adapters, silentLogger, undefined, { identity: { ...identity, jobs: [], dependencies: [] } }),
  )
  assert.deepEqual([...examples.unseen], [])
})
