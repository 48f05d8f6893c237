import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { makeCertificate } from '@shop/testing/services/certificate.ts'
import {
  type ProductRow,
  startBasketWrites,
  startProductWrites,
} from '@shop/testing/services/checked-writes.ts'
import { request } from '@shop/testing/services/http.ts'
import type { Answer } from '@shop/testing/services/recorded-load.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { untilHealthy } from '@shop/testing/services/shoppers.ts'
import { proxyOn, silentServerOn } from '@shop/testing/services/tcp.ts'
import { startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { query } from '@shop/testing/stores/postgres.ts'
import { startPostgresServer, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'
import { postgresUser } from '@shop/testing/stores/postgres-user.ts'

const recoveryMs = 20_000
const clients = 8

/** A store that accepts TLS, behind a proxy, and a service that verifies its certificate. */
type Secured = Readonly<{
  service: RunningService
  proxy: ReturnType<typeof proxyOn>
  proxyPort: number
  restart: () => Promise<void>
  /** The folder with server.crt and server.key of the store. */
  folder: string
  startLoad: () => Promise<
    Readonly<{ answers: readonly Answer[]; stop: () => Promise<unknown>; check: () => Promise<void> }>
  >
}>

const securePostgres = async (stack: AsyncDisposableStack): Promise<Secured> => {
  const server = stack.use(await startPostgresServer({ tls: true }))
  const proxyPort = await freePort()
  const proxy = stack.use(proxyOn(proxyPort, { host: '127.0.0.1', port: server.port }))
  await proxy.start()
  const folder = dirname(server.certificate)
  const authority = join(folder, 'authority.crt')
  copyFileSync(server.certificate, authority)
  const service = stack.use(
    await startService('product', {
      DB_HOST: '127.0.0.1',
      DB_PORT: String(proxyPort),
      DB_NAME: 'postgres',
      DB_SSLMODE: 'verify-full',
      DB_SSLROOTCERT: authority,
      GRPC_PORT: String(await freePort()),
    }),
  )
  const restart = async () => {
    await server.stop()
    await server.start()
  }
  const startLoad = async () => {
    const load = await startProductWrites(service.url, clients)
    const check = async () => load.assertStored(await query<ProductRow>('select * from products', server.url))
    return { ...load, check }
  }
  return { service, proxy, proxyPort, restart, folder, startLoad }
}

const secureRedis = async (stack: AsyncDisposableStack): Promise<Secured> => {
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'redis-tls-'))).path
  await makeCertificate(folder, 'IP:127.0.0.1')
  const authority = join(folder, 'authority.crt')
  copyFileSync(join(folder, 'server.crt'), authority)
  const port = await freePort()
  const settings = {
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': join(folder, 'server.crt'),
    'tls-key-file': join(folder, 'server.key'),
    'tls-ca-cert-file': authority,
    'tls-auth-clients': 'no',
    // A restarted server has its data again.
    dir: folder,
    appendonly: 'yes',
  }
  let redis = startRedis(port, settings)
  stack.defer(() => redis.kill())
  const proxyPort = await freePort()
  const proxy = stack.use(proxyOn(proxyPort, { host: '127.0.0.1', port }))
  await proxy.start()
  const grpcPort = String(await freePort())
  const product = stack.use(await startService('product', { DATA_DIR: folder, GRPC_PORT: grpcPort }))
  const pen = { name: 'Pen', price: 1, stock: 999_999 }
  const { id: productId } = (await request('POST', `${product.url}/products`, pen)).body
  const service = stack.use(
    await startService('basket', {
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(proxyPort),
      REDIS_TLS: 'on',
      REDIS_TLS_CA: authority,
      PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
    }),
  )
  await untilHealthy(service)
  const restart = async () => {
    await redis.kill()
    redis = startRedis(port, settings)
  }
  let loads = 0
  const startLoad = async () => {
    loads += 1
    const load = startBasketWrites(service.url, { clients, productId, prefix: `load-${loads}-` })
    return { ...load, check: load.assertStored }
  }
  return { service, proxy, proxyPort, restart, folder, startLoad }
}

const isReady = async ({ url }: RunningService) =>
  (await request('GET', `${url}/health/ready`)).status === 200

const stores = [
  { name: 'PostgreSQL', secure: securePostgres, skip: withoutPostgresPrograms, user: postgresUser },
  { name: 'Redis', secure: secureRedis, skip: withoutOwnRedis, user: () => ({}) },
] as const

for (const { name, secure, skip, user } of stores)
  describe(`over TLS, faults of ${name} cause only 503, and no acknowledged write is lost or applied twice`, {
    skip,
  }, () => {
    const stack = new AsyncDisposableStack()
    let secured: Secured
    before(async () => {
      secured = await secure(stack)
    })
    after(() => stack.disposeAsync())

    const underLoad = async (fault: () => Promise<void>) => {
      const load = await secured.startLoad()
      try {
        await eventually(recoveryMs, async () => assert.ok(load.answers.length > 50))
        const from = performance.now()
        await fault()
        await eventually(recoveryMs, async () => assert.ok(await isReady(secured.service)))
        const recovered = load.answers.length
        await eventually(recoveryMs, async () => {
          assert.ok(load.answers.length > recovered + 50)
          assert.ok(load.answers.slice(-50).every(({ status }) => status < 300))
        })
        await load.stop()
        const failed = load.answers.filter(({ status }) => status >= 300 || status === 0)
        assert.ok(failed.some(({ at }) => at > from))
        assert.deepEqual([...new Set(failed.map(({ status }) => status))], [503])
        await load.check()
      } finally {
        await load.stop()
      }
    }

    it('when the server is restarted', () => underLoad(() => secured.restart()))

    it('when the connections are cut', () =>
      underLoad(async () => {
        for (let cuts = 0; cuts < 5; cuts++) {
          await secured.proxy.stop()
          await secured.proxy.start()
          await delay(100)
        }
      }))

    it('when a handshake gets no response', () =>
      underLoad(async () => {
        await secured.proxy.stop()
        await using silent = silentServerOn(secured.proxyPort)
        await silent.start()
        const started = performance.now()
        await eventually(recoveryMs, async () => assert.equal(await isReady(secured.service), false))
        await delay(1_000)
        await silent.stop()
        await secured.proxy.start()
        assert.ok(performance.now() - started < recoveryMs)
      }))

    it('when its certificate is replaced by one that the service does not trust, which the log says', () =>
      underLoad(async () => {
        const { folder } = secured
        const kept = join(folder, 'kept')
        mkdirSync(kept)
        const files = ['server.crt', 'server.key']
        for (const file of files) copyFileSync(join(folder, file), join(kept, file))
        await makeCertificate(folder, 'IP:127.0.0.1', user())
        await secured.restart()
        await eventually(recoveryMs, async () => {
          assert.equal(await isReady(secured.service), false)
          assert.match(secured.service.output(), /self-signed certificate/)
        })
        for (const file of files) copyFileSync(join(kept, file), join(folder, file))
        await secured.restart()
      }))
  })
