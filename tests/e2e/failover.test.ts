import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { query } from '@shop/testing/stores/postgres.ts'
import { startPostgresServer, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'

/** The promise is 5 s after the promotion, measured on a machine without other load. */
const limitMs = 5_000

const startProduct = async (...ports: readonly number[]) =>
  startService('product', {
    DB_HOST: ports.map((port) => `127.0.0.1:${port}`).join(','),
    DB_NAME: 'postgres',
    GRPC_PORT: String(await freePort()),
  })

/** A primary, and a replica that confirms every commit before the primary acknowledges it. */
const startCluster = async () => {
  const primary = await startPostgresServer()
  const replica = await startPostgresServer({ primary })
  await query(`alter system set synchronous_standby_names = '*'`, primary.url)
  await query('select pg_reload_conf()', primary.url)
  await eventually(20_000, async () => {
    const rows = await query('select sync_state from pg_stat_replication', primary.url)
    assert.deepEqual(rows, [{ sync_state: 'sync' }])
  })
  return { primary, replica }
}

type Product = { id: number; acknowledged: number; attempted: number }

/** Clients that each create a product and then raise its stock by one, again and again. */
const startLoad = (url: string, clients: number) => {
  const stop = new AbortController()
  const statuses = new Map<number, number>()
  const products: Product[] = []
  const successes: number[] = []
  const send = async (method: string, path: string, body?: object) => {
    const sentAt = performance.now()
    const response = await request(method, `${url}${path}`, body)
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
    if (response.status < 300 && method !== 'GET') successes.push(sentAt)
    if (response.status >= 300) await delay(10)
    return response
  }
  const createAndUpdate = async () => {
    const created = await send('POST', '/products', { name: 'x', price: 1, stock: 0 })
    if (created.status !== 201) return
    const product = { id: created.body.id, acknowledged: 0, attempted: 0 }
    products.push(product)
    while (product.attempted < 10 && !stop.signal.aborted) {
      product.attempted += 1
      const { status } = await send('PATCH', `/products/${product.id}`, { stock: product.attempted })
      if (status === 200) product.acknowledged = product.attempted
      await send('GET', `/products/${product.id}`)
    }
  }
  const run = async () => {
    while (!stop.signal.aborted) await createAndUpdate()
  }
  const done = Promise.all(Array.from({ length: clients }, run))
  return {
    statuses,
    products,
    /** When the first write began that began after this time and succeeded. */
    firstSuccessAfter: (time: number) => successes.find((sentAt) => sentAt >= time),
    stop: () => {
      stop.abort()
      return done
    },
  }
}

const assertNothingLost = async (url: string, products: readonly Product[]) => {
  assert.ok(products.length > 10)
  for (const { id, acknowledged, attempted } of products) {
    const { status, body } = await request('GET', `${url}/products/${id}`)
    assert.equal(status, 200, `product ${id}`)
    assert.ok(body.stock >= acknowledged && body.stock <= attempted, `product ${id}`)
  }
}

const assertOnly = (statuses: ReadonlyMap<number, number>, ...allowed: readonly number[]) =>
  assert.deepEqual(
    [...statuses.keys()].filter((status) => !allowed.includes(status)),
    [],
  )

describe('a product service with a list of PostgreSQL servers', { skip: withoutPostgresPrograms }, () => {
  it('follows a promotion under load without losing an acknowledged write', async (test) => {
    await using stack = new AsyncDisposableStack()
    const { primary, replica } = await startCluster()
    stack.use(primary)
    stack.use(replica)
    const product = stack.use(await startProduct(primary.port, replica.port))
    const load = startLoad(product.url, 16)
    await delay(2_000)
    await primary.stop()
    await delay(1_000)
    const promotedAt = performance.now()
    await replica.promote()
    const resumedAt = await eventually(20_000, async () => {
      const time = load.firstSuccessAfter(promotedAt)
      assert.ok(time)
      return time
    })
    test.diagnostic(
      `first successful write ${Math.round(resumedAt - promotedAt)} ms after the promotion began`,
    )
    assert.ok(resumedAt - promotedAt < limitMs)
    await delay(1_000)
    const refused = load.statuses.get(503) ?? 0
    assert.ok(refused > 0)

    // The old primary returns as a replica of the new one.
    stack.use(await startPostgresServer({ primary: replica, port: primary.port }))
    await delay(2_000)
    await load.stop()
    test.diagnostic(JSON.stringify(Object.fromEntries(load.statuses)))
    assertOnly(load.statuses, 200, 201, 503)
    assert.equal(load.statuses.get(503), refused, 'its return has no effect')
    await assertNothingLost(product.url, load.products)
    assert.equal((await request('GET', `${product.url}/health`)).body.status, 'healthy')
  })

  it('leaves a primary that becomes read-only', async (test) => {
    await using stack = new AsyncDisposableStack()
    const { primary, replica } = await startCluster()
    stack.use(primary)
    stack.use(replica)
    const product = stack.use(await startProduct(primary.port, replica.port))
    const load = startLoad(product.url, 16)
    await delay(2_000)
    await query('alter system set default_transaction_read_only = on', primary.url)
    await query('select pg_reload_conf()', primary.url)
    await delay(1_000)
    const promotedAt = performance.now()
    await replica.promote()
    const resumedAt = await eventually(20_000, async () => {
      const time = load.firstSuccessAfter(promotedAt)
      assert.ok(time)
      return time
    })
    test.diagnostic(
      `first successful write ${Math.round(resumedAt - promotedAt)} ms after the promotion began`,
    )
    assert.ok(resumedAt - promotedAt < limitMs)
    await delay(1_000)
    await load.stop()
    test.diagnostic(JSON.stringify(Object.fromEntries(load.statuses)))
    assertOnly(load.statuses, 200, 201, 503)
    await assertNothingLost(product.url, load.products)
    const sessions = `select from pg_stat_activity where application_name = 'product-service'`
    assert.equal((await query(sessions, primary.url)).length, 0)
  })

  it('starts while the first server is down, also with a URL', async () => {
    await using server = await startPostgresServer()
    const unused = await freePort()
    {
      await using product = await startProduct(unused, server.port)
      assert.equal((await request('POST', `${product.url}/products`, { name: 'x', price: 1 })).status, 201)
    }
    const DATABASE_URL = `postgres://postgres@127.0.0.1:${unused},127.0.0.1:${server.port}/postgres?target_session_attrs=read-write`
    await using product = await startService('product', { DATABASE_URL, GRPC_PORT: String(await freePort()) })
    assert.equal((await request('GET', `${product.url}/products`)).body.length, 1)
  })
})
