import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '@shop/kernel/errors.ts'
import { requestContext } from '@shop/platform/request-context.ts'
import { openPostgres } from '@shop/postgres/database.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { proxyOn, silenceOn } from '@shop/testing/services/tcp.ts'
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

/** The service on this database, as `main` puts it together, with its log. */
const start = async (url: string) => {
  const { logger, lines } = recordingLogger()
  const adapters = await openAdapters({ config: readConfig({ DATABASE_URL: url }), logger })
  const app = await createApp(adapters, logger)
  return {
    ...app,
    use: useCasesOf(adapters.ports),
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
const everyUseCase = (use: Service['use']): Record<keyof Service['use'], () => Promise<unknown>> => ({
  createProduct: () => use.createProduct(fieldsOf(), context),
  updateProduct: () => use.updateProduct({ id: 1, changes: {}, expected }, context),
  deleteProduct: () => use.deleteProduct({ id: 1, expected }, context),
  getProduct: () => use.getProduct({ id: 1 }, context),
  getProducts: () => use.getProducts({ ids: [1] }, context),
  listProducts: () => use.listProducts({ sort: byId, limit: 1 }, context),
  topProducts: () => use.topProducts({ count: 1 }, context),
  lowStockProducts: () => use.lowStockProducts({ maxStock: 1, limit: 1 }, context),
  productsByCategory: () => use.productsByCategory({ category: 'Home', limit: 1 }, context),
  catalogStatistics: () => use.catalogStatistics({}, context),
})

const payload = { name: 'x', price: 1 }
const everyRequest: readonly Request[] = [
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

const down = { status: 503, code: 'unavailable' }
const healthy = async (service: Service) => {
  const { status, code } = await service.health()
  assert.deepEqual([status, code], ['healthy', 200])
}

const assertUnavailable = (operation: () => Promise<unknown>) =>
  assert.rejects(operation(), { code: 'unavailable' })

describe('while nothing listens where the database should be', () => {
  let service: Service
  let port: number
  before(async () => {
    port = await freePort()
    service = await start(`postgres://shop-user:shop-secret@127.0.0.1:${port}/shop-database`)
  })
  after(() => service[Symbol.asyncDispose]())

  test('every use case is unavailable', async () => {
    for (const operation of Object.values(everyUseCase(service.use))) await assertUnavailable(operation)
  })

  test('every request is answered 503 with Retry-After, and nothing from the inside', async () => {
    for (const request of everyRequest) {
      await assertRefused(service.http, request, down)
      const { headers, body } = await send(service.http, request)
      assert.match(String(headers['retry-after']), /^[1-9]\d*$/)
      assert.doesNotMatch(body, new RegExp(`shop-|127\\.0\\.0\\.1|localhost|${port}|ECONN|products \\(`))
    }
  })

  test('every RPC is UNAVAILABLE', async () => {
    const { client, rpc } = connectTo(await service.grpc.listen(0))
    await assertFails(rpc.getProduct({ id: 1 }), unavailable, 'the product database is unavailable')
    await assertFails(rpc.batchGetProducts({ ids: [1] }), unavailable)
    await assertFails(rpc.deleteProduct({ id: 1, version: 0 }), unavailable)
    client.close()
  })

  test('the service lives, and is neither healthy nor ready', async () => {
    for (const path of ['/health', '/health/ready']) {
      const { code, status, checks, body } = await service.health(path)
      assert.deepEqual([code, status, checks.postgres.status], [503, 'unhealthy', 'down'])
      assert.doesNotMatch(body, /shop-|127\.0\.0\.1|ECONN/)
    }
    assert.equal((await service.health('/health/live')).code, 200)
  })

  test('what is wrong in a request is still the caller’s', () =>
    assertRefused(service.http, { url: '/products/0' }, { status: 400, code: 'invalid', paths: ['/id'] }))

  test('the log says that it waits, and keeps the password to itself', () => {
    assert.ok(service.lines.some(({ msg }) => msg === 'waiting for the database'))
    assert.doesNotMatch(JSON.stringify(service.lines), /shop-secret/)
  })
})

test('a database that takes connections and says nothing is unavailable, within its time limits', async () => {
  const port = await freePort()
  await using service = await start(`postgres://shop@127.0.0.1:${port}/shop`)
  await using silence = silenceOn(port)
  await silence.start()
  const [{ status }] = await Promise.all([
    service.health(),
    assertUnavailable(() => service.use.getProduct({ id: 1 }, context)),
    assertRefused(service.http, { url: '/products' }, down),
  ])
  assert.equal(status, 'unhealthy')
})

/** A schema on the real server, and a proxy before it that is not started yet. */
const behindProxy = async (lastWords?: string) => {
  const schema = await ownSchema()
  const real = new URL(schema.url)
  const port = await freePort()
  const proxy = proxyOn(port, { host: real.hostname, port: Number(real.port) || 5_432 }, lastWords)
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

test('the service finds the database by itself when that comes, goes, and comes again', {
  skip: withoutPostgres,
}, async () => {
  await using database = await behindProxy()
  const { proxy } = database
  await using service = await start(database.url)
  await assertUnavailable(() => service.use.getProduct({ id: 1 }, context))
  await proxy.start()
  await eventually(20_000, () => healthy(service))
  const { id } = await service.use.createProduct(fieldsOf(), context)

  const underWay = Array.from({ length: 20 }, () =>
    service.use.updateProduct({ id, changes: {}, expected }, context),
  )
  await proxy.stop()
  const failures = (await Promise.allSettled(underWay)).filter((result) => result.status === 'rejected')
  assert.ok(failures.length > 0)
  for (const { reason } of failures) assert.equal(codeOf(reason), 'unavailable')
  for (const operation of Object.values(everyUseCase(service.use))) await assertUnavailable(operation)
  assert.equal((await service.health()).status, 'unhealthy')

  await proxy.start()
  const { version } = await service.use.getProduct({ id }, context)
  assert.ok(version >= 1 + underWay.length - failures.length)
  await healthy(service)
})

test('a connection that is lost while it cancels a statement harms nobody else', {
  skip: withoutPostgres,
}, async () => {
  await using database = await behindProxy('pg_cancel_backend')
  await database.proxy.start()
  await using service = await start(database.url)
  await eventually(20_000, () => healthy(service))
  const { id } = await service.use.createProduct(fieldsOf(), context)

  const direct = openPostgres(postgresConfigOf({ DATABASE_URL: database.schema.url }), silentLogger)
  await direct.transaction().execute(async (transaction) => {
    await sql`lock table products`.execute(transaction)
    const request = { requestId: 'x', signal: AbortSignal.timeout(100) }
    await requestContext.run(request, () => assert.rejects(service.use.getProduct({ id }, context)))
    await delay(200)
  })
  await direct.destroy()
  assert.equal((await service.use.getProduct({ id }, context)).id, id)
})

test('a database that is made after the service started is found and migrated', {
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
