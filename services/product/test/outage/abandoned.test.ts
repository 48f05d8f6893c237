import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createMetrics, type Metrics } from '@shop/platform/metrics/metrics.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { request } from '@shop/testing/services/http.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { createApp } from '../../src/app.ts'
import { readConfig, service } from '../../src/config.ts'
import type { Product } from '../../src/domain/product.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { holdLocks } from '../support/locks.ts'
import { abandon, parsed, requestText, sendOn } from '../support/sockets.ts'
import { creationOf } from '../support/store.ts'

/** The service on the real PostgreSQL, at a port of its own, with its log and its metrics. */
const start = async () => {
  const schema = await ownSchema()
  const { logger, lines } = recordingLogger()
  const metrics = createMetrics(service, '0')
  // Without the limit by which the server would end a statement too: only the cancelling is left.
  const config = readConfig({ DATABASE_URL: `${schema.url}&statement_timeout=0` })
  const adapters = await openAdapters({ config, logger, metrics })
  const app = await createApp(adapters, logger, metrics)
  await eventually(20_000, async () => assert.equal((await app.http.inject('/health/ready')).statusCode, 200))
  const address = await app.http.listen({ host: '127.0.0.1', port: 0 })
  return {
    url: schema.url,
    ...adapters.ports,
    address,
    port: Number(new URL(address).port),
    metrics,
    lines,
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]()
      await adapters[Symbol.asyncDispose]()
      await schema[Symbol.asyncDispose]()
    },
  }
}

/** How many statements of this kind have been run. */
const statements = async ({ registry }: Metrics, operation: string): Promise<number> => {
  const text = await registry.getSingleMetricAsString('db_client_operation_duration_seconds')
  const counts = text.matchAll(/^db_client_operation_duration_seconds_count\{(.*)\} (\d+)$/gm)
  return [...counts]
    .filter(([, labels]) => labels?.includes(`db_operation_name="${operation}"`))
    .reduce((sum, [, , count]) => sum + Number(count), 0)
}

describe('over HTTP', { skip: withoutPostgres }, () => {
  let shop: Awaited<ReturnType<typeof start>>
  let lamp: Product
  before(async () => {
    shop = await start()
  })
  beforeEach(async () => {
    lamp = await shop.products.add(creationOf())
    shop.lines.length = 0
  })
  after(() => shop[Symbol.asyncDispose]())

  const one = () => `/products/${lamp.id}`
  const stored = () => shop.reader.find(lamp.id)

  /** The statuses that are in the log for a route. */
  const logged = (route: string) =>
    shop.lines
      .filter((line) => line['msg'] === 'request' && line['route'] === route)
      .map(({ status }) => status)
  const assertNoErrors = () =>
    assert.deepEqual(
      shop.lines.filter(({ level }) => Number(level) >= 40),
      [],
    )
  const assertServing = async () => {
    const { status, body } = await request('GET', `${shop.address}${one()}`)
    assert.equal(status, 200)
    assert.equal(body.id, lamp.id)
  }

  it('three hundred lists that nobody waits for lead to a few statements', async () => {
    const already = await statements(shop.metrics, 'select')
    await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        abandon(shop.port, requestText('GET', `/products/low-stock-${n}?limit=1000`)),
      ),
    )
    await eventually(20_000, async () => assert.equal(logged('/products/low-stock-:n').length, 300))
    await delay(500)
    const made = (await statements(shop.metrics, 'select')) - already
    assert.ok(made <= 20, `${made} statements`)
    const answered = logged('/products/low-stock-:n').filter((status) => status !== 499)
    assert.ok(answered.length <= 20, answered.join())
    assertNoErrors()
    await assertServing()
    assert.ok((await statements(shop.metrics, 'select')) > already + made, 'statements are counted')
  })

  const lists = {
    '/products': '/products',
    '/products/top-:n': '/products/top-5',
    '/products/low-stock-:n': '/products/low-stock-10?limit=1000',
    '/products/category/:category': '/products/category/Home',
  }
  for (const [route, path] of Object.entries(lists))
    for (const [leaves, leave] of [
      ['ends its side', 'halfClose'],
      ['closes the connection', 'close'],
      ['is gone', 'reset'],
    ] as const)
      it(`the statement of GET ${path} is stopped in PostgreSQL when the client ${leaves}`, async () => {
        await using table = await holdLocks(shop.url, 'lock table products')
        const client = sendOn(shop.port, requestText('GET', path))
        await eventually(2_000, async () => assert.equal((await table.waiting()).length, 1))
        void client[leave]()
        await eventually(10_000, async () => assert.deepEqual(await table.waiting(), []))
        await eventually(2_000, async () => assert.deepEqual(logged(route), [499]))
        await table.release()
        assertNoErrors()
        await assertServing()
        client.close()
      })

  it('the statement of GET /products/{id} is stopped in PostgreSQL when the client is gone', async () => {
    await using table = await holdLocks(shop.url, 'lock table products')
    const client = sendOn(shop.port, requestText('GET', one()))
    await eventually(2_000, async () => assert.equal((await table.waiting()).length, 1))
    client.reset()
    await eventually(10_000, async () => assert.deepEqual(await table.waiting(), []))
    await eventually(2_000, async () => assert.deepEqual(logged('/products/:id'), [499]))
    await table.release()
    assertNoErrors()
    await assertServing()
  })

  const payload = { name: 'Floor Lamp', price: 1 }
  /** Each write, with a lock that lets it begin, and what it makes of the lamp. */
  const writes = [
    ['PATCH', payload, 'select from products for update', { name: 'Floor Lamp', version: 2 }],
    ['PUT', payload, 'select from products for update', { name: 'Floor Lamp', version: 2 }],
    ['DELETE', undefined, 'select from products for update', undefined],
    ['PATCH', payload, 'lock table products', { name: 'Floor Lamp', version: 2 }],
    ['DELETE', undefined, 'lock table products', undefined],
  ] as const
  for (const [method, body, statement, expected] of writes)
    for (const [leaves, leave] of [
      ['closes the connection', 'close'],
      ['is gone', 'reset'],
    ] as const)
      it(`a ${method} that has begun, and waits for "${statement}", goes on when the client ${leaves}`, async () => {
        await using locks = await holdLocks(shop.url, statement)
        const client = sendOn(shop.port, requestText(method, one(), body))
        await eventually(2_000, async () => assert.equal((await locks.waiting()).length, 1))
        client[leave]()
        await delay(400)
        assert.equal((await locks.waiting()).length, 1)
        await locks.release()
        await eventually(5_000, async () => {
          const product = await stored()
          assert.deepEqual(product && { name: product.name, version: product.version }, expected)
        })
        await eventually(2_000, async () => assert.equal(logged('/products/:id').length, 1))
        if (leave === 'reset') assert.deepEqual(logged('/products/:id'), [499])
        assertNoErrors()
      })

  it('a POST that has begun goes on when the client is gone', async () => {
    const name = 'made for nobody'
    await using locks = await holdLocks(shop.url, 'lock table products in share mode')
    const client = sendOn(shop.port, requestText('POST', '/products', { name, price: 1 }))
    await eventually(2_000, async () => assert.equal((await locks.waiting()).length, 1))
    client.reset()
    await delay(300)
    assert.equal((await locks.waiting()).length, 1)
    await locks.release()
    await eventually(5_000, async () => {
      const { products } = await shop.reader.list({ sort: byId, limit: 1_000 })
      assert.equal(products.filter((product) => product.name === name).length, 1)
    })
    assertNoErrors()
  })

  /** Of a client who has said all that there is to say, and waits. */
  const answerTo = async (text: string) => parsed(await sendOn(shop.port, text).halfClose())

  it('a client that ends its side after GET /products/{id} gets the product', async () => {
    const { status, body } = await answerTo(requestText('GET', one()))
    assert.equal(status, 200, body)
    assert.equal(JSON.parse(body).id, lamp.id)
    assert.deepEqual(logged('/products/:id'), [200])
  })

  it('a client that ends its side after a write has it stored, and answered', async () => {
    const { status, body } = await answerTo(requestText('PATCH', one(), payload))
    assert.equal(status, 200, body)
    assert.equal(JSON.parse(body).version, 2)
    assert.equal((await stored())?.name, 'Floor Lamp')
    assert.deepEqual(logged('/products/:id'), [200])
    assert.deepEqual(
      shop.lines
        .filter(({ event }) => event !== undefined)
        .map(({ event, product_id }) => [event, product_id]),
      [['product_updated', lamp.id]],
      'and told',
    )
  })

  for (const [method, body] of [
    ['GET', undefined],
    ['PATCH', payload],
  ] as const)
    it(`a client that ends its side while its ${method} of a product is under way is answered too`, async () => {
      await using table = await holdLocks(shop.url, 'lock table products')
      const client = sendOn(shop.port, requestText(method, one(), body))
      await eventually(2_000, async () => assert.equal((await table.waiting()).length, 1))
      const answer = client.halfClose()
      await delay(300)
      assert.equal((await table.waiting()).length, 1)
      await table.release()
      assert.equal(parsed(await answer).status, 200)
      assert.equal((await stored())?.name, body?.name ?? lamp.name)
      assertNoErrors()
    })
})
