import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { connect } from 'node:tls'
import { credentials, Metadata } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type IssuedCertificate, makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'

const limitMs = 30_000

/** Replaces the files of a folder at once, as Kubernetes does. */
const replaceFiles = (folder: string, { certificate, key }: IssuedCertificate, version: number): void => {
  const next = join(folder, `..${version}`)
  mkdirSync(next, { recursive: true })
  copyFileSync(certificate, join(next, 'tls.crt'))
  copyFileSync(key, join(next, 'tls.key'))
  symlinkSync(next, join(folder, '..new'))
  renameSync(join(folder, '..new'), join(folder, '..data'))
}

type Client = Readonly<{ ca: Buffer; cert: Buffer; key: Buffer }>

const get = (url: string, client: object): Promise<{ status: number | undefined; text: string }> =>
  new Promise((resolve, reject) => {
    const options = { ...client, servername: 'localhost', timeout: limitMs }
    request(url, options, (response: IncomingMessage) => {
      let text = ''
      response.on('data', (piece) => (text += piece))
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
      .on('error', reject)
      .end()
  })

/** The common name of the certificate that a new connection sees. */
const servedBy = async (port: number, client: Client, protocol: string): Promise<string> => {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ...client,
    ALPNProtocols: [protocol],
  })
  await once(socket, 'secureConnect')
  const name = String(socket.getPeerCertificate().subject.CN)
  socket.destroy()
  return name
}

/** Calls one after the other, until it is stopped. */
const repeat = (call: () => Promise<void>) => {
  const stopping = new AbortController()
  let calls = 0
  const failures: unknown[] = []
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await call().catch((error: unknown) => failures.push(error))
      calls += 1
    }
  })()
  return {
    calls: () => calls,
    stop: async () => {
      stopping.abort()
      await running
      return failures
    },
  }
}

/** Loads both ports: over kept connections, and over new ones. */
const startLoad = ({ url }: RunningService, grpcPort: number, client: Client) => {
  const read = (agent: Agent) => async () => {
    const { status } = await get(`${url}/products?limit=2`, { ...client, agent })
    assert.equal(status, 200)
  }
  const kept = new Agent({ keepAlive: true, maxSockets: 1 })
  const unshared = () => new Agent({ keepAlive: false, maxCachedSessions: 0 })
  const channel = credentials.createSsl(client.ca, client.key, client.cert)
  const call = async (products: ProductServiceClient) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const deadline = { deadline: Date.now() + limitMs }
    products.batchGetProducts({ ids: [1], readMask: undefined }, new Metadata(), deadline, (error) =>
      error ? reject(error) : resolve(),
    )
    await promise
  }
  const open = () =>
    new ProductServiceClient(`localhost:${grpcPort}`, channel, { 'grpc.use_local_subchannel_pool': 1 })
  const stub = open()
  const callers = [
    repeat(read(kept)),
    repeat(() => read(unshared())()),
    repeat(() => call(stub)),
    repeat(async () => {
      const own = open()
      await call(own).finally(() => own.close())
    }),
  ]
  return {
    untilMore: async (count: number) => {
      const before = callers.map(({ calls }) => calls())
      await eventually(limitMs, async () => {
        for (const [index, { calls }] of callers.entries()) assert.ok(calls() >= (before[index] ?? 0) + count)
      })
    },
    stop: async () => {
      const failures = (await Promise.all(callers.map(({ stop }) => stop()))).flat()
      kept.destroy()
      stub.close()
      return failures
    },
  }
}

const metric = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1])

describe('a service with two workers that end TLS', { skip: withoutPostgres }, () => {
  it('renews its certificate under load without a lost request, and keeps the last one while the files are broken', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'https-'))
    await using schema = await ownSchema()
    const authority = await makeAuthority(join(folder.path, 'ca'))
    const issued = await Promise.all(
      ['one', 'two', 'three'].map((name, index) => authority.issue(name, { days: 10 + index })),
    )
    const [first, second, third] = issued
    assert.ok(first && second && third)
    const own = await authority.issue('client', { clientAuth: true })
    const client = {
      ca: readFileSync(authority.certificate),
      cert: readFileSync(own.certificate),
      key: readFileSync(own.key),
    }
    const mount = join(folder.path, 'mount')
    mkdirSync(mount)
    replaceFiles(mount, first, 1)
    const at = (name: string) => join(mount, '..data', name)
    const grpcPort = await freePort()
    const environment = {
      DATABASE_URL: schema.url,
      GRPC_PORT: String(grpcPort),
      WORKERS: '2',
      SHUTDOWN_DELAY_SECONDS: '0',
      TLS_CERT_FILE: at('tls.crt'),
      TLS_KEY_FILE: at('tls.key'),
      TLS_CLIENT_CA_FILE: authority.certificate,
    }
    await using product = await startService('product', environment, { client: own })
    const port = Number(new URL(product.url).port)
    const scrape = async () => (await get(`${product.url}/metrics`, { ...client, agent: false })).text
    /** Six times, so that both workers are asked. */
    const untilServed = (name: string) =>
      eventually(limitMs, async () => {
        for (let time = 0; time < 6; time++) {
          assert.equal(await servedBy(port, client, 'http/1.1'), name)
          assert.equal(await servedBy(grpcPort, client, 'h2'), name)
        }
      })

    await untilServed('one')
    const load = startLoad(product, grpcPort, client)
    await load.untilMore(20)
    replaceFiles(mount, second, 2)
    await untilServed('two')
    await load.untilMore(20)

    writeFileSync(at('tls.key'), readFileSync(first.key))
    const failing =
      /^job_duration_seconds_count\{(?=[^}]*job="tls-certificate")(?=[^}]*outcome="unavailable|[^}]*outcome="internal).*\} (\d+)$/m
    await eventually(limitMs, async () => assert.ok(metric(await scrape(), failing) >= 4))
    await untilServed('two')
    const logged = product
      .output()
      .split('\n')
      .filter((line) => line.includes('The last certificate is still used'))
    // One of each worker.
    assert.ok(logged.length >= 1 && logged.length <= 2, logged.join('\n'))
    rmSync(at('tls.crt'))
    replaceFiles(mount, third, 3)
    await untilServed('three')
    const expiry = metric(await scrape(), /^tls_certificate_expiry_seconds\{.*\} (\S+)$/m)
    assert.ok(expiry > 11 * 86_400 && expiry <= 12 * 86_400, String(expiry))

    assert.ok(product.process.kill('SIGHUP'))
    await eventually(limitMs, async () => assert.match(product.output(), /all workers replaced/))
    await load.untilMore(20)
    assert.deepEqual(await load.stop(), [])

    const stranger = { ca: client.ca, agent: false }
    await assert.rejects(get(`${product.url}/products`, stranger))
    const plain = connectTcp(port, '127.0.0.1').on('error', () => {})
    plain.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(plain.resume(), 'close')
    const silent = connectTcp(grpcPort, '127.0.0.1')
    const since = performance.now()
    await once(silent.resume(), 'close')
    assert.ok(performance.now() - since > 4_000)
    const counted = await scrape()
    for (const [transport, reason] of [
      ['http', 'no_certificate'],
      ['http', 'plaintext'],
      ['grpc', 'timeout'],
    ])
      assert.match(
        counted,
        new RegExp(
          `^tls_handshake_failures_total\\{(?=[^}]*transport="${transport}")(?=[^}]*reason="${reason}").*\\} [1-9]`,
          'm',
        ),
      )
    assert.equal(await product.stop(), 0)
    assert.doesNotMatch(product.output(), /"level":(50|60)|127\.0\.0\.1:\d+.*handshake/)
  })
})
