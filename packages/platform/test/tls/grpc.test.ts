import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import { type ProductResponse, ProductServiceClient } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import {
  type CertificateAuthority,
  type IssuedCertificate,
  makeAuthority,
} from '@shop/testing/services/certificate-authority.ts'
import { callUnary } from '../../src/grpc/client.ts'
import { startService } from '../support/grpc.ts'
import { handshakeFailures, tlsConfig } from '../support/tls.ts'

const folder = mkdtempSync(join(tmpdir(), 'grpc-tls-'))
let authority: CertificateAuthority
let certificate: IssuedCertificate
let ca: Buffer

before(async () => {
  authority = await makeAuthority(join(folder, 'ca'))
  certificate = await authority.issue('server')
  ca = readFileSync(authority.certificate)
})
after(() => rmSync(folder, { recursive: true }))

const product = { product: undefined } as unknown as ProductResponse

type StartOptions = NonNullable<Parameters<typeof startService>[1]>
type GetProduct = Parameters<typeof startService>[0]

const start = (
  options: StartOptions & Readonly<{ clientCa?: string }> = {},
  get: GetProduct = async () => product,
) => {
  const { clientCa, ...rest } = options
  return startService(get, { host: 'localhost', ...rest, tls: tlsConfig(certificate, clientCa) })
}

type Server = Awaited<ReturnType<typeof start>>

const secure = (client?: IssuedCertificate): ChannelCredentials =>
  client === undefined
    ? credentials.createSsl(ca)
    : credentials.createSsl(ca, readFileSync(client.key), readFileSync(client.certificate))

const openClient = (port: number, channelCredentials = secure(), host = 'localhost') => {
  const channel = new ProductServiceClient(`${host}:${port}`, channelCredentials, {
    // The library uses the address as the server name, which Node.js refuses for an IP address.
    'grpc.ssl_target_name_override': 'localhost',
  })
  return {
    getProduct: () => callUnary(channel.getProduct.bind(channel), { id: 1 }, 5_000),
    [Symbol.dispose]: () => channel.close(),
  }
}

const assertServes = async ({ port }: Pick<Server, 'port'>, client?: IssuedCertificate) => {
  using opened = openClient(port, secure(client))
  await opened.getProduct()
}

const connectionFails = { code: 'unavailable' }

const failures = (server: Server) => handshakeFailures(server.metrics, 'grpc')

const handshake = (port: number, options: ConnectionOptions = {}) => {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca,
    ALPNProtocols: ['h2'],
    ...options,
  })
  return once(socket, 'secureConnect').then(() => socket)
}

describe('gRPC over TLS', () => {
  it('is served on all addresses', async () => {
    await using server = await start()
    for (const host of ['127.0.0.1', '[::1]']) {
      using client = openClient(server.port, undefined, host)
      await client.getProduct()
    }
    assert.deepEqual(await failures(server), {})
  })

  it('refuses TLS 1.1, and clients that do not ask for HTTP/2', async () => {
    await using server = await start()
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await assert.rejects(handshake(server.port, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
    await assert.rejects(handshake(server.port, { ALPNProtocols: ['http/1.1'] }), {
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    })
    const without = connect({ port: server.port, host: '127.0.0.1', servername: 'localhost', ca })
    without.on('error', () => {}).resume()
    await once(without, 'close')
    await eventually(5_000, async () => assert.deepEqual(await failures(server), { version: 1, protocol: 2 }))
    await assertServes(server)
  })

  it('ends connections without TLS, and nothing else', async () => {
    await using server = await start()
    for (const text of ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'GET / HTTP/1.1\r\n\r\n']) {
      const socket = connectTcp(server.port, '127.0.0.1').on('error', () => {})
      socket.write(text)
      await once(socket.resume(), 'close')
    }
    using insecure = openClient(server.port, credentials.createInsecure())
    await assert.rejects(insecure.getProduct(), connectionFails)
    await eventually(5_000, async () => assert.ok(((await failures(server))['plaintext'] ?? 0) >= 3))
    await assertServes(server)
  })

  it('cuts off handshakes that do not end, and connections without the preface of HTTP/2', async () => {
    const times = { maxAgeMs: 60_000, graceMs: 60_000, maxIdleMs: 60_000, checkMs: 20 }
    await using server = await start({ handshakeCheckMs: 20, connectionTimes: times })
    const silent = connectTcp(server.port, '127.0.0.1')
    await once(silent.resume(), 'close')
    assert.deepEqual(await failures(server), { timeout: 1 })
    const withoutPreface = await handshake(server.port)
    await once(withoutPreface.resume(), 'close')
    await assertServes(server)
    assert.deepEqual(await failures(server), { timeout: 1 })
  })

  it('counts connections before their handshake, and until they close', async () => {
    await using server = await start({ limitsConfig: { maxConnectionsPerClient: 2 } })
    const { connections } = server.limits
    const sockets = [connectTcp(server.port, '127.0.0.1'), connectTcp(server.port, '127.0.0.1')]
    await eventually(5_000, async () => assert.equal(connections.used(), 2))
    using refused = openClient(server.port, undefined, '127.0.0.1')
    await assert.rejects(refused.getProduct(), connectionFails)
    for (const socket of sockets) socket.destroy()
    await eventually(5_000, async () => assert.equal(connections.used(), 0))
    await assertServes(server)
    await eventually(5_000, async () => assert.equal(connections.used(), 0))
  })

  it('survives what is not HTTP/2 after the handshake', async () => {
    await using server = await start()
    for (const text of ['x'.repeat(1_000), `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\xff'.repeat(20)}`]) {
      const socket = await handshake(server.port)
      socket.on('error', () => {}).write(text)
      await once(socket.resume(), 'close')
    }
    const reset = connectTcp(server.port, '127.0.0.1')
    const above = connect({ socket: reset, servername: 'localhost', ca, ALPNProtocols: ['h2'] })
    await once(
      above.on('error', () => {}),
      'secureConnect',
    )
    reset.resetAndDestroy()
    await assertServes(server)
    await eventually(5_000, async () => assert.equal(server.limits.connections.used(), 0))
  })

  it('lets calls end while the server closes, and cuts off handshakes', async () => {
    const { promise, resolve } = Promise.withResolvers<ProductResponse>()
    let calls = 0
    const server = await start({}, () => {
      calls += 1
      return promise
    })
    using client = openClient(server.port)
    const held = client.getProduct()
    await eventually(5_000, async () => assert.equal(calls, 1))
    const silent = connectTcp(server.port, '127.0.0.1').on('error', () => {})
    await once(silent, 'connect')
    const closing = server.close()
    // Before the call ends: a connection that came about now would not be told to go elsewhere.
    await once(silent.resume(), 'close')
    resolve(product)
    await held
    await closing
    // Not by the limit of their time.
    assert.deepEqual(await failures(server), {})
  })

  it('lets only holders of certificates of the authority connect', async () => {
    const foreign = await makeAuthority(join(folder, 'foreign'))
    const [mine, expired, other, ofServer] = await Promise.all([
      authority.issue('client', { clientAuth: true }),
      authority.issue('expired', { clientAuth: true, expired: true }),
      foreign.issue('client', { clientAuth: true }),
      authority.issue('not-a-client'),
    ])
    await using server = await start({ clientCa: authority.certificate })
    await assertServes(server, mine)
    for (const refused of [undefined, expired, other, ofServer]) {
      using client = openClient(server.port, secure(refused))
      await assert.rejects(client.getProduct(), connectionFails)
    }
    const { no_certificate: without = 0, client_certificate: invalid = 0, ...rest } = await failures(server)
    assert.ok(without >= 1 && invalid >= 3, `${without}, ${invalid}`)
    assert.deepEqual(rest, {})
    await assertServes(server, mine)
  })
})
