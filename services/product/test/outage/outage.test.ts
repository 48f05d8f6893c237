import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '@shop/kernel/errors.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import { openPostgres } from '@shop/postgres/database.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { proxyOn, silentServerOn } from '@shop/testing/services/tcp.ts'
import { ownDatabase, ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { postgresConfigOf } from '../support/config.ts'
import { assertFails, connectTo, unavailable } from '../support/grpc.ts'
import { assertRefused, type Request, send } from '../support/http.ts'
import { fieldsOf } from '../support/store.ts'
import { context, useCasesOf } from '../support/use-cases.ts'

/** Starts the service on this database, assembled as in `main`. Returns it with its log lines. */
const start = async (url: string) => {
  const { logger, lines } = recordingLogger()
  const adapters = await openAdapters({ config: readConfig({ DATABASE_URL: url }), logger })
  const app = await createApp(adapters, logger)
  return {
    ...app,
    useCases: useCasesOf(adapters.ports),
    lines,
    health: async (path = '/health') => {
      const response = await send(app.http, { url: path })
      return { ...response.json(), code: response.statusCode, body: response.body }
    },
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]()
      await adapters[Symbol.asyncDispose]()
    },
  }
}

type Service = Awaited<ReturnType<typeof start>>

const expected = 'anything'
const useCaseCalls = (
  useCases: Service['useCases'],
): Record<keyof Service['useCases'], () => Promise<unknown>> => ({
  createProduct: () => useCases.createProduct(fieldsOf(), context),
  updateProduct: () => useCases.updateProduct({ id: 1, changes: {}, expected }, context),
  forgetOldWrites: () => useCases.forgetOldWrites({}, context),
  deleteProduct: () => useCases.deleteProduct({ id: 1, expected }, context),
  getProduct: () => useCases.getProduct({ id: 1 }, context),
  getProducts: () => useCases.getProducts({ ids: [1] }, context),
  getProductSummaries: () => useCases.getProductSummaries({ ids: [1] }, context),
  listProducts: () => useCases.listProducts({ sort: byId, limit: 1 }, context),
  topProducts: () => useCases.topProducts({ count: 1 }, context),
  lowStockProducts: () => useCases.lowStockProducts({ maxStock: 1, limit: 1 }, context),
  productsByCategory: () => useCases.productsByCategory({ category: 'Home', limit: 1 }, context),
  catalogStatistics: () => useCases.catalogStatistics({}, context),
})

const payload = { name: 'x', price: 1 }
const allRequests: readonly Request[] = [
  { url: '/products' },
  { url: '/products/1' },
  { url: '/products/top-5' },
  { url: '/products/low-stock-1' },
  { url: '/products/category/Home' },
  { method: 'POST', url: '/products', payload },
  { method: 'PUT', url: '/products/1', payload },
  { method: 'PATCH', url: '/products/1', payload },
  { method: 'DELETE', url: '/products/1' },
]

const unavailableProblem = { status: 503, code: 'unavailable' }
const assertHealthy = async (service: Service) => {
  const { status, code } = await service.health()
  assert.deepEqual([status, code], ['healthy', 200])
}

const assertUnavailable = (operation: () => Promise<unknown>) =>
  assert.rejects(operation(), { code: 'unavailable' })

describe('while no server listens at the address of the database', () => {
  let service: Service
  let port: number
  before(async () => {
    port = await freePort()
    service = await start(`postgres://shop-user:shop-secret@127.0.0.1:${port}/shop-database`)
  })
  after(() => service[Symbol.asyncDispose]())

  test('every use case rejects with unavailable', async () => {
    for (const operation of Object.values(useCaseCalls(service.useCases))) await assertUnavailable(operation)
  })

  test('every request is answered 503 with Retry-After and without internal details', async () => {
    for (const request of allRequests) {
      await assertRefused(service.http, request, unavailableProblem)
      const { headers, body } = await send(service.http, request)
      assert.match(String(headers['retry-after']), /^[1-9]\d*$/)
      assert.doesNotMatch(body, new RegExp(`shop-|127\\.0\\.0\\.1|localhost|${port}|ECONN|products \\(`))
    }
  })

  test('every RPC fails with UNAVAILABLE', async () => {
    const { client, rpc } = connectTo(await service.grpc.listen(0))
    await assertFails(rpc.getProduct({ id: 1 }), unavailable, 'the product database is unavailable')
    await assertFails(rpc.batchGetProducts({ ids: [1], readMask: undefined }), unavailable)
    await assertFails(rpc.deleteProduct({ id: 1, version: 0, requestId: '' }), unavailable)
    client.close()
  })

  test('the service is live, but neither healthy nor ready', async () => {
    for (const path of ['/health', '/health/ready']) {
      const { code, status, checks, body } = await service.health(path)
      assert.deepEqual([code, status, checks.postgres.status], [503, 'unhealthy', 'down'])
      assert.doesNotMatch(body, /shop-|127\.0\.0\.1|ECONN/)
    }
    assert.equal((await service.health('/health/live')).code, 200)
  })

  test('an invalid request is still answered 400', () =>
    assertRefused(service.http, { url: '/products/0' }, { status: 400, code: 'invalid', paths: ['/id'] }))

  test('the service logs that it waits for the database, without the password', () => {
    assert.ok(service.lines.some(({ msg }) => msg === 'waiting for the database'))
    assert.doesNotMatch(JSON.stringify(service.lines), /shop-secret/)
  })
})

test('a database that accepts connections but never responds is unavailable, within the time limits', async () => {
  const port = await freePort()
  await using service = await start(`postgres://shop@127.0.0.1:${port}/shop`)
  await using silentServer = silentServerOn(port)
  await silentServer.start()
  const [{ status }] = await Promise.all([
    service.health(),
    assertUnavailable(() => service.useCases.getProduct({ id: 1 }, context)),
    assertRefused(service.http, { url: '/products' }, unavailableProblem),
  ])
  assert.equal(status, 'unhealthy')
})

/**
 * Creates a schema on the PostgreSQL server and a proxy in front of it, which is not started yet. The proxy
 * cuts connections that send `cutAt`.
 */
const openProxiedSchema = async (cutAt?: string) => {
  const schema = await ownSchema()
  const real = new URL(schema.url)
  const port = await freePort()
  const proxy = proxyOn(port, { host: real.hostname, port: Number(real.port) || 5_432 }, cutAt)
  const { href } = Object.assign(new URL(real), { hostname: '127.0.0.1', port })
  return {
    schema,
    proxy,
    url: href,
    [Symbol.asyncDispose]: async () => {
      await proxy.stop()
      await schema[Symbol.asyncDispose]()
    },
  }
}

test('the service connects once the database starts, and reconnects after an outage', {
  skip: withoutPostgres,
}, async () => {
  await using database = await openProxiedSchema()
  const { proxy } = database
  await using service = await start(database.url)
  await assertUnavailable(() => service.useCases.getProduct({ id: 1 }, context))
  await proxy.start()
  await eventually(20_000, () => assertHealthy(service))
  const { id } = await service.useCases.createProduct(fieldsOf(), context)

  const updates = Array.from({ length: 20 }, () =>
    service.useCases.updateProduct({ id, changes: {}, expected }, context),
  )
  await proxy.stop()
  const failures = (await Promise.allSettled(updates)).filter((result) => result.status === 'rejected')
  assert.ok(failures.length > 0)
  for (const { reason } of failures) assert.equal(codeOf(reason), 'unavailable')
  for (const operation of Object.values(useCaseCalls(service.useCases))) await assertUnavailable(operation)
  assert.equal((await service.health()).status, 'unhealthy')

  await proxy.start()
  const { version } = await service.useCases.getProduct({ id }, context)
  assert.ok(version >= 1 + updates.length - failures.length)
  await assertHealthy(service)
})

test('losing the connection that cancels a statement does not affect other requests', {
  skip: withoutPostgres,
}, async () => {
  await using database = await openProxiedSchema('pg_cancel_backend')
  await database.proxy.start()
  await using service = await start(database.url)
  await eventually(20_000, () => assertHealthy(service))
  const { id } = await service.useCases.createProduct(fieldsOf(), context)

  const direct = openPostgres(postgresConfigOf({ DATABASE_URL: database.schema.url }), silentLogger)
  await direct.transaction().execute(async (transaction) => {
    await sql`lock table products`.execute(transaction)
    const request = { requestId: 'x', signal: AbortSignal.timeout(100) }
    await requestContext.run(request, () => assert.rejects(service.useCases.getProduct({ id }, context)))
    await delay(200)
  })
  await direct.destroy()
  assert.equal((await service.useCases.getProduct({ id }, context)).id, id)
})

test('a database that is created after the service has started is found and migrated', {
  skip: withoutPostgres,
}, async () => {
  await using database = await ownDatabase()
  const late = new URL(database.url)
  late.pathname += '_late'
  const config = readConfig({ DATABASE_URL: late.href })
  await using adapters = await openAdapters({ config, logger: silentLogger })
  await assert.rejects(adapters.ports.reader.find(1), { code: 'unavailable' })
  await query(`create database ${late.pathname.slice(1)}`)
  await eventually(20_000, async () => assert.equal(await adapters.ports.reader.find(1), undefined))
})
