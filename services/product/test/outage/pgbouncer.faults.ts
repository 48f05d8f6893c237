import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type ProductRow, startProductWrites } from '@shop/testing/services/checked-writes.ts'
import { request } from '@shop/testing/services/http.ts'
import { openConnection } from '@shop/testing/services/kept-connection.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { startPgBouncer, withoutPgBouncer } from '@shop/testing/stores/pgbouncer.ts'
import { query } from '@shop/testing/stores/postgres.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'

const serverConnections = 3
const faultMs = 1_200
const recoveryMs = 20_000

describe('behind PgBouncer in transaction mode', {
  skip: withoutPgBouncer || withoutPostgresPrograms,
}, () => {
  const stack = new AsyncDisposableStack()
  let server: PostgresServer
  let pgBouncer: Awaited<ReturnType<typeof startPgBouncer>>
  let service: RunningService
  before(async () => {
    server = stack.use(await startPostgresServer())
    const settings = { default_pool_size: serverConnections }
    pgBouncer = stack.use(await startPgBouncer({ target: server.url, settings }))
    service = stack.use(
      await startService('product', {
        DATABASE_URL: pgBouncer.url,
        DB_PGBOUNCER: 'on',
        DB_POOL_SIZE: '20',
        GRPC_PORT: String(await freePort()),
      }),
    )
  })
  after(() => stack.disposeAsync())

  it('30 concurrent clients get the expected response to every request, over three connections to the server', async () => {
    const product = { name: 'Pooled', price: 1.5, stock: 3, category: 'Pooled' }
    const useEverything = async () => {
      using connection = openConnection()
      const send = async (status: number, method: string, path: string, body?: unknown) => {
        const response = await connection.send(method, `${service.url}${path}`, body)
        assert.equal(response.status, status, `${method} ${path} ${JSON.stringify(response.body)}`)
        return response.body
      }
      for (let round = 0; round < 4; round++) {
        const { id } = await send(201, 'POST', '/products', product)
        assert.equal((await send(200, 'PATCH', `/products/${id}`, { stock: 2 })).stock, 2)
        assert.equal((await send(200, 'PUT', `/products/${id}`, product)).version, 3)
        assert.equal((await send(200, 'GET', `/products/${id}`)).stock, 3)
        for (const list of ['', '/top-5', '/low-stock-3', '/category/Pooled'])
          assert.ok((await send(200, 'GET', `/products${list}`)).count > 0)
        await send(204, 'DELETE', `/products/${id}`)
        await send(404, 'GET', `/products/${id}`)
      }
    }
    await Promise.all(Array.from({ length: 30 }, useEverything))
    const connections = await query(
      "select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
      server.url,
    )
    assert.ok(connections.length > 0 && connections.length <= serverConnections, `${connections.length}`)
  })

  const terminateBackends = () =>
    query(
      "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
      server.url,
    )
  /** Each fault lasts for a while and is over when it resolves. */
  const faults = {
    'PgBouncer is killed and started again': async () => {
      await pgBouncer.kill()
      await delay(faultMs)
      await pgBouncer.start()
    },
    'PgBouncer hangs': async () => {
      pgBouncer.suspend()
      await delay(faultMs)
      pgBouncer.resume()
    },
    'all its connections to the server are terminated again and again': async () => {
      const end = performance.now() + faultMs
      while (performance.now() < end) {
        await terminateBackends()
        await delay(20)
      }
    },
    'the server behind it is restarted': async () => {
      await server.stop()
      await delay(faultMs)
      await server.start()
    },
    'it is paused and resumed': async () => {
      const paused = pgBouncer.command('pause')
      await delay(faultMs)
      await pgBouncer.command('resume')
      await paused
    },
    'its connections are all taken for longer than its query_wait_timeout': async () => {
      await pgBouncer.command('set query_wait_timeout = 1')
      const holders = Array.from({ length: serverConnections }, () =>
        query('select pg_sleep(2.5)', pgBouncer.url),
      )
      await Promise.all(holders)
      await pgBouncer.command('set query_wait_timeout = 120')
    },
  }
  for (const [fault, cause] of Object.entries(faults))
    it(`while ${fault}, requests succeed or get 503, and no acknowledged write is lost or applied twice`, async () => {
      const load = await startProductWrites(service.url, 12)
      await using _ = load
      await eventually(recoveryMs, async () => assert.ok(load.answers.length > 100))
      await cause()
      const recovered = load.answers.length
      await eventually(recoveryMs, async () => {
        const latest = load.answers.slice(Math.max(recovered, load.answers.length - 100))
        assert.ok(latest.length === 100 && latest.every(({ status }) => status < 300))
      })
      assert.equal((await request('GET', `${service.url}/health/ready`)).status, 200)
      const answers = await load.stop()
      const others = answers.filter(({ status }) => ![200, 201, 503].includes(status))
      assert.deepEqual(others.slice(0, 3), [])
      assert.ok(
        answers.some(({ status, ms }) => status === 503 || ms > faultMs / 2),
        'no request met the fault',
      )
      load.assertStored(await query<ProductRow>('select * from products', server.url))
    })
})
