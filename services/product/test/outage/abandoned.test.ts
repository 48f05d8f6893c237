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
import { parseResponse, requestText, sendAndDisconnect, sendRequest } from '../support/sockets.ts'
import { creationOf } from '../support/store.ts'

/** Starts the service on PostgreSQL and on a free port, and returns it with its log lines and metrics. */
const start = async () => {
  const schema = await ownSchema()
  const { logger, lines } = recordingLogger()
  const metrics = createMetrics(service, '0')
  // No statement_timeout: only cancellation can end a statement.
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

/** Returns how many statements of this kind have been run. */
const countStatements = async ({ registry }: Metrics, operation: string): Promise<number> => {
  const text = await registry.getSingleMetricAsString('db_client_operation_duration_seconds')
  const counts = text.matchAll(/^db_client_operation_duration_seconds_count\{(.*)\} (\d+)$/gm)
  return [...counts]
    .filter(([, labels]) => labels?.includes(`db_operation_name="${operation}"`))
    .reduce((sum, [, , count]) => sum + Number(count), 0)
}

describe('requests and closed connections', { skip: withoutPostgres }, () => {
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

  const lampPath = () => `/products/${lamp.id}`
  const findLamp = () => shop.reader.find(lamp.id)

  /** Returns the statuses that are logged for a route. */
  const loggedStatuses = (route: string) =>
    shop.lines
      .filter((line) => line['msg'] === 'request' && line['route'] === route)
      .map(({ status }) => status)
  const assertNoWarnings = () =>
    assert.deepEqual(
      shop.lines.filter(({ level }) => Number(level) >= 40),
      [],
    )
  const assertServing = async () => {
    const { status, body } = await request('GET', `${shop.address}${lampPath()}`)
    assert.equal(status, 200)
    assert.equal(body.id, lamp.id)
  }

  it('300 list requests from disconnected clients cause at most 20 statements', async () => {
    const countBefore = await countStatements(shop.metrics, 'select')
    await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        sendAndDisconnect(shop.port, requestText('GET', `/products/low-stock-${n}?limit=1000`)),
      ),
    )
    await eventually(20_000, async () => assert.equal(loggedStatuses('/products/low-stock-:n').length, 300))
    await delay(500)
    const executedCount = (await countStatements(shop.metrics, 'select')) - countBefore
    assert.ok(executedCount <= 20, `${executedCount} statements`)
    const answered = loggedStatuses('/products/low-stock-:n').filter((status) => status !== 499)
    assert.ok(answered.length <= 20, answered.join())
    assertNoWarnings()
    await assertServing()
    assert.ok(
      (await countStatements(shop.metrics, 'select')) > countBefore + executedCount,
      'the metric counts statements',
    )
  })

  const lists = {
    '/products': '/products',
    '/products/top-:n': '/products/top-5',
    '/products/low-stock-:n': '/products/low-stock-10?limit=1000',
    '/products/category/:category': '/products/category/Home',
  }
  for (const [route, path] of Object.entries(lists))
    for (const [action, disconnect] of [
      ['half-closes the connection', 'halfClose'],
      ['closes the connection', 'close'],
      ['resets the connection', 'reset'],
    ] as const)
      it(`the statement of GET ${path} is cancelled in PostgreSQL if the client ${action}`, async () => {
        await using table = await holdLocks(shop.url, 'lock table products')
        const client = sendRequest(shop.port, requestText('GET', path))
        await eventually(2_000, async () => assert.equal((await table.blockedStatements()).length, 1))
        void client[disconnect]()
        await eventually(10_000, async () => assert.deepEqual(await table.blockedStatements(), []))
        await eventually(2_000, async () => assert.deepEqual(loggedStatuses(route), [499]))
        await table.release()
        assertNoWarnings()
        await assertServing()
        client.close()
      })

  it('the statement of GET /products/{id} is cancelled in PostgreSQL if the client resets the connection', async () => {
    await using table = await holdLocks(shop.url, 'lock table products')
    const client = sendRequest(shop.port, requestText('GET', lampPath()))
    await eventually(2_000, async () => assert.equal((await table.blockedStatements()).length, 1))
    client.reset()
    await eventually(10_000, async () => assert.deepEqual(await table.blockedStatements(), []))
    await eventually(2_000, async () => assert.deepEqual(loggedStatuses('/products/:id'), [499]))
    await table.release()
    assertNoWarnings()
    await assertServing()
  })

  const payload = { name: 'Floor Lamp', price: 1 }
  /** Writes with their bodies, a statement whose locks block them after they have started, and the resulting lamp. */
  const writes = [
    ['PATCH', payload, 'select from products for update', { name: 'Floor Lamp', version: 2 }],
    ['PUT', payload, 'select from products for update', { name: 'Floor Lamp', version: 2 }],
    ['DELETE', undefined, 'select from products for update', undefined],
    ['PATCH', payload, 'lock table products', { name: 'Floor Lamp', version: 2 }],
    ['DELETE', undefined, 'lock table products', undefined],
  ] as const
  for (const [method, body, statement, expected] of writes)
    for (const [action, disconnect] of [
      ['closes the connection', 'close'],
      ['resets the connection', 'reset'],
    ] as const)
      it(`a ${method} that is blocked by "${statement}" still takes effect if the client ${action}`, async () => {
        await using locks = await holdLocks(shop.url, statement)
        const client = sendRequest(shop.port, requestText(method, lampPath(), body))
        await eventually(2_000, async () => assert.equal((await locks.blockedStatements()).length, 1))
        client[disconnect]()
        await delay(400)
        assert.equal((await locks.blockedStatements()).length, 1)
        await locks.release()
        await eventually(5_000, async () => {
          const product = await findLamp()
          assert.deepEqual(product && { name: product.name, version: product.version }, expected)
        })
        await eventually(2_000, async () => assert.equal(loggedStatuses('/products/:id').length, 1))
        if (disconnect === 'reset') assert.deepEqual(loggedStatuses('/products/:id'), [499])
        assertNoWarnings()
      })

  it('a POST that is blocked still takes effect if the client resets the connection', async () => {
    const name = 'Created after a reset'
    await using locks = await holdLocks(shop.url, 'lock table products in share mode')
    const client = sendRequest(shop.port, requestText('POST', '/products', { name, price: 1 }))
    await eventually(2_000, async () => assert.equal((await locks.blockedStatements()).length, 1))
    client.reset()
    await delay(300)
    assert.equal((await locks.blockedStatements()).length, 1)
    await locks.release()
    await eventually(5_000, async () => {
      const { products } = await shop.reader.list({ sort: byId, limit: 1_000 })
      assert.equal(products.filter((product) => product.name === name).length, 1)
    })
    assertNoWarnings()
  })

  it('writes that wait for others take effect if their clients reset the connections, and so do those of the same moment', async () => {
    const lamps = [lamp]
    while (lamps.length < 20) lamps.push(await shop.products.add(creationOf()))
    await using locks = await holdLocks(shop.url, 'lock table products in exclusive mode')
    const clients: ReturnType<typeof sendRequest>[] = []
    for (const { id } of lamps) {
      clients.push(sendRequest(shop.port, requestText('PATCH', `/products/${id}`, payload)))
      await delay(5)
    }
    await eventually(2_000, async () => assert.ok((await locks.blockedStatements()).length >= 1))
    const kept = clients.splice(9, 2)
    for (const client of clients) client.reset()
    const responses = kept.map((client) => client.halfClose())
    await delay(200)
    await locks.release()
    for (const response of responses) assert.equal(parseResponse(await response).status, 200)
    await eventually(2_000, async () => {
      const stored = await shop.reader.findMany(lamps.map(({ id }) => id))
      assert.deepEqual(
        stored.map(({ name, version }) => [name, version]),
        lamps.map(() => ['Floor Lamp', 2]),
      )
    })
    assertNoWarnings()
  })

  /** Sends the request, half-closes the connection and waits for the response. */
  const sendAndHalfClose = async (text: string) =>
    parseResponse(await sendRequest(shop.port, text).halfClose())

  it('GET /products/{id} is answered after a half-close', async () => {
    const { status, body } = await sendAndHalfClose(requestText('GET', lampPath()))
    assert.equal(status, 200, body)
    assert.equal(JSON.parse(body).id, lamp.id)
    assert.deepEqual(loggedStatuses('/products/:id'), [200])
  })

  it('a write is stored and answered after a half-close', async () => {
    const { status, body } = await sendAndHalfClose(requestText('PATCH', lampPath(), payload))
    assert.equal(status, 200, body)
    assert.equal(JSON.parse(body).version, 2)
    assert.equal((await findLamp())?.name, 'Floor Lamp')
    assert.deepEqual(loggedStatuses('/products/:id'), [200])
    assert.deepEqual(
      shop.lines
        .filter(({ event }) => event !== undefined)
        .map(({ event, product_id }) => [event, product_id]),
      [['product_updated', lamp.id]],
      'the event is published',
    )
  })

  for (const [method, body] of [
    ['GET', undefined],
    ['PATCH', payload],
  ] as const)
    it(`a ${method} of a product is answered if the client half-closes the connection while it runs`, async () => {
      await using table = await holdLocks(shop.url, 'lock table products')
      const client = sendRequest(shop.port, requestText(method, lampPath(), body))
      await eventually(2_000, async () => assert.equal((await table.blockedStatements()).length, 1))
      const response = client.halfClose()
      await delay(300)
      assert.equal((await table.blockedStatements()).length, 1)
      await table.release()
      assert.equal(parseResponse(await response).status, 200)
      assert.equal((await findLamp())?.name, body?.name ?? lamp.name)
      assertNoWarnings()
    })
})
