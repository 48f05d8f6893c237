import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { proxyOn } from '@shop/testing/services/tcp.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { startPostgresServer, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'
import type { Request } from '../support/http.ts'
import { holdLocks } from '../support/locks.ts'
import { openService } from '../support/service.ts'

const payload = { name: 'Desk Lamp', price: 34.5 }
const requests: readonly Request[] = [
  { url: '/products/1' },
  { url: '/products' },
  { url: '/products/top-5' },
  { method: 'POST', url: '/products', payload },
  { method: 'PATCH', url: '/products/1', payload: { stock: 3 } },
]

/** Sends each request several times. Returns the statuses, and the longest time until a response in milliseconds. */
const sendAll = async ({ send }: Awaited<ReturnType<typeof openService>>) => {
  let longestMs = 0
  const sendOne = async (request: Request) => {
    const started = performance.now()
    const { statusCode } = await send(request)
    longestMs = Math.max(longestMs, performance.now() - started)
    return statusCode
  }
  const statuses = await Promise.all([...requests, ...requests, ...requests].map(sendOne))
  return { statuses: [...new Set(statuses)], longestMs }
}

test('a server that hangs is refused within about a second, then at once, and used again when it responds', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using server = await startPostgresServer()
  await using service = await openService({ DATABASE_URL: server.url })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  assert.equal((await service.send({ method: 'POST', url: '/products', payload })).statusCode, 201)

  server.hang()
  const first = await sendAll(service)
  assert.deepEqual(first.statuses, [503])
  // Without the guard, joined reads take 7 s and others 3.5 s.
  assert.ok(first.longestMs < 2_500, `${first.longestMs} ms`)
  const scrape = await service.scrape()
  assert.match(scrape, /^circuit_breaker_state\{circuit_breaker="postgres",state="open".*\} 1$/m)
  for (let round = 0; round < 5; round++) {
    const next = await sendAll(service)
    assert.deepEqual(next.statuses, [503])
    assert.ok(next.longestMs < 500, `${next.longestMs} ms`)
  }
  assert.equal((await service.health()).checks.postgres.status, 'down')

  server.resume()
  await eventually(5_000, async () => {
    assert.equal((await service.send({ url: '/products/1' })).statusCode, 200)
    assert.ok(await service.isReady())
  })
  assert.match(
    await service.scrape(),
    /^circuit_breaker_state\{circuit_breaker="postgres",state="closed".*\} 1$/m,
  )
})

test('an update that was refused because the server hangs does not take effect later', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using server = await startPostgresServer()
  await using service = await openService({ DATABASE_URL: server.url })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  assert.equal((await service.send({ method: 'POST', url: '/products', payload })).statusCode, 201)
  const update = (stock: number) => service.send({ method: 'PATCH', url: '/products/1', payload: { stock } })

  server.hang()
  assert.equal((await update(3)).statusCode, 503)
  server.resume()
  await eventually(5_000, async () => assert.equal((await update(4)).statusCode, 200))
  await delay(500)
  const { stock, version } = (await service.send({ url: '/products/1' })).json()
  assert.deepEqual({ stock, version }, { stock: 4, version: 2 })
})

test('writes that wait in a queue when they are refused because the server hangs do not take effect later', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using server = await startPostgresServer()
  await using service = await openService({ DATABASE_URL: server.url })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  for (let id = 1; id <= 10; id++)
    assert.equal((await service.send({ method: 'POST', url: '/products', payload })).statusCode, 201)
  const update = (id: number, stock: number) =>
    service.send({ method: 'PATCH', url: `/products/${id}`, payload: { stock } })

  // The lock fills the slots, so that the others wait.
  const lock = await holdLocks(server.url, 'lock table products in exclusive mode')
  const writes: ReturnType<typeof update>[] = []
  for (let id = 1; id <= 10; id++) {
    writes.push(
      update(id, 3),
      service.send({ method: 'POST', url: '/products', payload: { ...payload, name: 'late' } }),
    )
    await delay(10)
  }
  await eventually(5_000, async () => assert.equal((await lock.blockedStatements()).length, 4))
  server.hang()
  for (const write of writes) assert.equal((await write).statusCode, 503)
  server.resume()
  await lock.release()
  await lock[Symbol.asyncDispose]()
  await eventually(5_000, async () => assert.equal((await update(10, 4)).statusCode, 200))
  await delay(500)
  const { products } = (await service.send({ url: '/products' })).json()
  // Two updates and two new products had been sent, and the server may have run them before it received their cancellation.
  const changed = products.filter(({ stock }: { stock: number }) => stock === 3)
  const late = products.filter(({ name }: { name: string }) => name === 'late')
  assert.ok(changed.length <= 2 && late.length <= 2, `${changed.length} and ${late.length}`)
  const last = products.find(({ id }: { id: number }) => id === 10)
  assert.deepEqual([last.stock, last.version], [4, 2])
})

test('a wait for a lock does not refuse other requests, even if logins take longer than the limit of a ping', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using server = await startPostgresServer()
  await using service = await openService({ DATABASE_URL: server.url })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  assert.equal((await service.send({ method: 'POST', url: '/products', payload })).statusCode, 201)
  await using lock = await holdLocks(server.url, 'select from products where id = 1 for update')
  await query("alter system set post_auth_delay = '1s'", server.url)
  await query('select pg_reload_conf()', server.url)

  const waiting = service.send({ method: 'PATCH', url: '/products/1', payload: { stock: 3 } })
  await delay(1_500)
  for (let n = 0; n < 5; n++) {
    assert.equal((await service.send({ url: '/products/1' })).statusCode, 200)
    await delay(50)
  }
  await lock.release()
  assert.equal((await waiting).statusCode, 200)
})

test('a wait for a lock does not change between two addresses of the same server', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using server = await startPostgresServer()
  const other = await freePort()
  await using proxy = proxyOn(other, { host: '127.0.0.1', port: server.port })
  const DB_HOST = `127.0.0.1:${server.port},127.0.0.1:${other}`
  await using service = await openService({ DB_HOST, DB_NAME: 'postgres' })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  // From now on either address may respond first.
  await proxy.start()
  assert.equal((await service.send({ method: 'POST', url: '/products', payload })).statusCode, 201)
  for (let stock = 1; stock <= 4; stock++) {
    await using lock = await holdLocks(server.url, 'select from products where id = 1 for update')
    const waiting = service.send({ method: 'PATCH', url: '/products/1', payload: { stock } })
    await delay(1_200)
    await lock.release()
    assert.equal((await waiting).statusCode, 200)
  }
})

test('requests that wait for a lock are not refused, and those that join a query wait no longer than others', {
  skip: withoutPostgres,
}, async () => {
  await using database = await ownDatabase()
  await using service = await openService({ DATABASE_URL: database.url })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  assert.equal((await service.send({ method: 'POST', url: '/products', payload })).statusCode, 201)

  await using lock = await holdLocks(database.url, 'lock table products in access exclusive mode')
  const waiting = service.send({ url: '/products/1' })
  await delay(1_500)
  await lock.release()
  assert.equal((await waiting).statusCode, 200)

  await using longLock = await holdLocks(database.url, 'lock table products in access exclusive mode')
  const list = () => service.send({ url: '/products' })
  const running = list()
  await delay(500)
  const joined = await list()
  assert.deepEqual([(await running).statusCode, joined.statusCode], [503, 503])
  assert.match(joined.json().detail, /did not respond in time/)
  await longLock.release()
  assert.equal((await list()).statusCode, 200)
})
