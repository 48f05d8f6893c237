import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { Agent, request as send } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import {
  type CertificateAuthority,
  type IssuedCertificate,
  makeAuthority,
} from '@shop/testing/services/certificate-authority.ts'
import { startServer } from '../support/http-server.ts'
import { parseResponse, readAll } from '../support/raw-http.ts'
import { handshakeFailures, tlsConfig } from '../support/tls.ts'

const folder = mkdtempSync(join(tmpdir(), 'https-'))
let authority: CertificateAuthority
let certificate: IssuedCertificate
let ca: string

before(async () => {
  authority = await makeAuthority(join(folder, 'ca'))
  certificate = await authority.issue('server')
  ca = readFileSync(authority.certificate, 'utf8')
})
after(() => rmSync(folder, { recursive: true }))

type StartOptions = NonNullable<Parameters<typeof startServer>[0]> & Readonly<{ clientCa?: string }>

const start = async ({ clientCa, ...options }: StartOptions = {}) => {
  const server = await startServer({
    routes: async (app) => {
      app.get('/protocol', (request) => ({ protocol: request.protocol, ip: request.ip }))
      app.get('/large', () => 'x'.repeat(8_000_000))
    },
    ...options,
    tls: tlsConfig(certificate, clientCa),
  })
  return { ...server, port: await server.listen(0, 'localhost') }
}

type Server = Awaited<ReturnType<typeof start>>

/** Sends a GET with Node's client. Resolves with the status and the body. */
const get = (port: number, path: string, options: object = {}) =>
  new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const agent = new Agent({ keepAlive: false })
    send({ port, path, host: 'localhost', ca, agent, ...options }, (response: IncomingMessage) => {
      let text = ''
      response.on('data', (piece) => (text += piece))
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
      .on('error', reject)
      .end()
  })

const open = async (port: number, options: ConnectionOptions = {}): Promise<TLSSocket> => {
  const tcp = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
  const socket = connect({ socket: tcp, servername: 'localhost', ca, ...options })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

const getText = 'GET /protocol HTTP/1.1\r\nHost: localhost\r\n\r\n'

const failures = (server: Server) => handshakeFailures(server.metrics, 'http')

const assertServes = async (server: Server) => assert.equal((await get(server.port, '/protocol')).status, 200)

describe('HTTPS', () => {
  it('is served on all addresses, also to curl', async () => {
    await using server = await start()
    for (const host of ['127.0.0.1', '::1']) {
      const { status, text } = await get(server.port, '/protocol', { host })
      assert.equal(status, 200)
      assert.deepEqual(JSON.parse(text), { protocol: 'https', ip: host })
    }
    const url = `https://localhost:${server.port}/protocol`
    const { stdout } = await promisify(execFile)('curl', ['-sSi', '--cacert', authority.certificate, url])
    assert.match(stdout, /^HTTP\/1.1 200 OK\r\n/)
    assert.ok(server.lines.some(({ msg }) => msg === `Server listening at https://[::1]:${server.port}`))
  })

  it('refuses TLS 1.1, and clients of other protocols', async () => {
    await using server = await start()
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await assert.rejects(open(server.port, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
    await assert.rejects(open(server.port, { ALPNProtocols: ['h2'] }), {
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    })
    assert.equal((await open(server.port, { maxVersion: 'TLSv1.2' })).destroy().destroyed, true)
    await eventually(5_000, async () => assert.deepEqual(await failures(server), { version: 1, protocol: 1 }))
    await assertServes(server)
  })

  it('ends connections without TLS, and nothing else', async () => {
    await using server = await start()
    for (const text of [
      getText,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x40\x00\x00\x00',
      '\0'.repeat(1_000),
    ]) {
      const socket = connectTcp(server.port, '127.0.0.1').on('error', () => {})
      socket.write(text)
      socket.resume()
      if (text.startsWith('\x16')) socket.end()
      await once(socket, 'close')
    }
    await assertServes(server)
    const counted = await failures(server)
    assert.equal(
      Object.values(counted).reduce((sum, count) => sum + count),
      4,
    )
    assert.ok((counted['plaintext'] ?? 0) >= 2, JSON.stringify(counted))
    assert.equal(JSON.stringify(server.lines).includes('127.0.0.1:'), true)
    const logged = server.lines.filter(({ msg }) => msg === 'TLS handshake failed')
    assert.equal(JSON.stringify(logged).includes('127.0.0.1'), false)
    assert.ok(logged.some(({ reason, transport }) => reason === 'plaintext' && transport === 'http'))
  })

  it('cuts off a handshake that does not end, also one that goes on byte by byte', async () => {
    await using server = await start({ handshakeCheckMs: 20 })
    const silent = connectTcp(server.port, '127.0.0.1')
    const slow = connectTcp(server.port, '::1').on('error', () => {})
    await Promise.all([once(silent, 'connect'), once(slow, 'connect')])
    slow.write(Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x3f]))
    const writing = setInterval(() => slow.write(Buffer.from([0])), 10)
    for (const socket of [silent, slow]) socket.resume()
    await Promise.all([once(silent, 'close'), once(slow, 'close')])
    clearInterval(writing)
    assert.deepEqual(await failures(server), { timeout: 2 })
    await assertServes(server)
  })

  it('cuts off handshakes of a client that has too many in progress, and not those of others', async () => {
    await using server = await start({ limits: { maxConnectionsPerClient: 1_000 } })
    const innocent = connectTcp(server.port, '::1')
    await once(innocent, 'connect')
    const flood = Array.from({ length: 270 }, () =>
      connectTcp(server.port, '127.0.0.1').on('error', () => {}),
    )
    await eventually(5_000, async () => assert.equal((await failures(server))['evicted'], 21))
    assert.equal(server.limits.connections.used(), 250)
    assert.equal(innocent.readableEnded, false)
    await assertServes(server)
    for (const socket of [innocent, ...flood]) socket.destroy()
  })

  it('counts connections before their handshake, and until they close', async () => {
    await using server = await start({ limits: { maxConnectionsPerClient: 2 } })
    const { connections } = server.limits
    const sockets = [connectTcp(server.port, '127.0.0.1'), connectTcp(server.port, '127.0.0.1')]
    await eventually(5_000, async () => assert.equal(connections.used(), 2))
    const { status, text } = await get(server.port, '/protocol', { host: '127.0.0.1' })
    assert.equal(status, 429, text)
    for (const socket of sockets) socket.destroy()
    await eventually(5_000, async () => assert.equal(connections.used(), 0))
    const kept = await open(server.port)
    kept.write(getText)
    await once(kept, 'data')
    assert.equal(connections.used(), 1)
    kept.destroy()
    await eventually(5_000, async () => assert.equal(connections.used(), 0))
  })

  it('closes idle connections when nearly all are in use', async () => {
    await using server = await start({ limits: { maxConnections: 10, maxConnectionsPerClient: 10 } })
    const idle = await Promise.all(Array.from({ length: 9 }, () => open(server.port)))
    for (const socket of idle) socket.write(getText)
    await Promise.all(idle.map((socket) => once(socket, 'data')))
    const closed = Promise.race(idle.map((socket) => once(socket, 'end')))
    for (const socket of idle) socket.resume()
    await new Promise((resolve) => setTimeout(resolve, 1_050))
    await assertServes(server)
    await closed
  })

  it('closes a connection whose client does not read', async () => {
    await using server = await start({ limits: { stallLimitMs: 200 } })
    const socket = await open(server.port)
    socket.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n')
    socket.pause()
    await eventually(10_000, async () => assert.equal(server.limits.connections.used(), 0))
    const cut = await server.metrics.registry.getSingleMetricAsString('responses_cut_total')
    assert.match(cut, /reason="stalled"[^}]*\} 1$/m)
    socket.destroy()
    await assertServes(server)
  })

  it('serves a slow reader to the end', async () => {
    await using server = await start({ limits: { stallLimitMs: 500 } })
    const socket = await open(server.port)
    socket.write('GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    let bytes = 0
    for await (const piece of socket) {
      bytes += piece.length
      if (bytes % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.ok(bytes > 8_000_000, String(bytes))
  })

  it('answers a client that has closed its side, and input that is not HTTP', async () => {
    await using server = await start()
    const halfClosed = await open(server.port)
    halfClosed.end('GET /protocol HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    assert.equal(parseResponse(await readAll(halfClosed)).status, 200)
    const nonsense = await open(server.port)
    nonsense.write('nonsense\r\n\r\n')
    assert.equal(parseResponse(await readAll(nonsense)).status, 400)
  })

  it('closes a connection whose encryption has failed, on which nothing can be answered', async () => {
    await using server = await start()
    const tcp = connectTcp({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    const forged = connect({ socket: tcp, servername: 'localhost', ca }).on('error', () => {})
    await once(forged, 'secureConnect')
    const renegotiating = await open(server.port, { maxVersion: 'TLSv1.2' })
    tcp.write(Buffer.from([0x17, 3, 3, 0, 32, ...Buffer.alloc(32)]))
    renegotiating.renegotiate({}, () => {})
    await eventually(5_000, async () => assert.equal(server.limits.connections.used(), 0))
    for (const socket of [tcp, renegotiating]) socket.destroy()
    await assertServes(server)
  })

  it('lets requests end while the server closes, and cuts off handshakes', async () => {
    const { promise, resolve } = Promise.withResolvers<object>()
    const server = await start({ routes: async (app) => void app.get('/held', () => promise) })
    const held = get(server.port, '/held')
    const handshake = connectTcp(server.port, '127.0.0.1').on('error', () => {})
    await eventually(5_000, async () => assert.equal(await server.activeRequests(), 1))
    await eventually(5_000, async () => assert.equal(server.limits.connections.used(), 2))
    const closing = server.app.close()
    handshake.resume()
    await once(handshake, 'close')
    resolve({ done: true })
    assert.equal((await held).status, 200)
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
    const identityOf = ({ certificate: cert, key }: IssuedCertificate) => ({
      cert: readFileSync(cert),
      key: readFileSync(key),
    })
    assert.equal((await get(server.port, '/protocol', identityOf(mine))).status, 200)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const versions = { minVersion: version, maxVersion: version }
      for (const refused of [{}, identityOf(expired), identityOf(other), identityOf(ofServer)])
        await assert.rejects(get(server.port, '/protocol', { ...refused, ...versions }))
    }
    await eventually(5_000, async () =>
      assert.deepEqual(await failures(server), { no_certificate: 2, client_certificate: 6 }),
    )
    assert.equal((await get(server.port, '/protocol', identityOf(mine))).status, 200)
  })
})
