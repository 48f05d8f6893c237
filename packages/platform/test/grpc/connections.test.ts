import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ProductServiceService } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { createLimits, defaultLimits, type Limits, type LimitsConfig } from '../../src/limits/limits.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { openClient, startService } from '../support/grpc.ts'
import { startServer } from '../support/http-server.ts'
import { openTo } from '../support/raw-http.ts'

const noProduct = { product: undefined }
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
const hourMs = 3_600_000
const times = { maxAgeMs: hourMs, graceMs: hourMs, maxIdleMs: hourMs, checkMs: hourMs }

/** Counts the connections that a server takes. */
const countOpened = (limits: Limits) => {
  let opened = 0
  const of: Limits['connections']['of'] = (transport) => {
    const connections = limits.connections.of(transport)
    const add = (socket: Socket) => {
      opened += 1
      return connections.add(socket)
    }
    return { ...connections, add }
  }
  return { limits: { ...limits, connections: { ...limits.connections, of } }, opened: () => opened }
}

type Options = NonNullable<Parameters<typeof startService>[1]>

/** Starts a service on whose limits clients of other addresses of this machine count. */
const start = async (config: Partial<LimitsConfig>, options: Options = {}) => {
  const metrics = createMetrics('test-service', '1.0.0')
  const { limits, opened } = countOpened(
    createLimits({ ...defaultLimits, ...config }, options.trustProxy ?? 'off', metrics),
  )
  const service = await startService(async () => noProduct, { ...options, limits })
  return {
    ...service,
    limits,
    opened,
    refusals: () => metrics.registry.getSingleMetricAsString('requests_refused_total'),
    open: (address: string, bytes: Buffer | string = preface) => {
      const socket = connect({
        port: service.port,
        host: '127.0.0.1',
        localAddress: address,
        allowHalfOpen: true,
      })
      socket.on('error', () => {}).resume()
      socket.write(bytes)
      return socket
    },
    untilUsed: (count: number) =>
      eventually(5_000, async () => assert.equal(limits.connections.used(), count)),
  }
}

/** Waits until the server has closed the connection, or reset it because of what it had not read. */
const untilClosed = (socket: Socket) =>
  eventually(5_000, async () => assert.ok(socket.readableEnded || socket.destroyed))

describe('connections to a gRPC server', { concurrency: true }, () => {
  it('over the share of a client are closed, and others are served', async () => {
    await using service = await start({ maxConnectionsPerClient: 2 })
    const sockets = [service.open('127.0.0.9'), service.open('127.0.0.9')]
    await service.untilUsed(2)
    await untilClosed(service.open('127.0.0.9'))
    using client = openClient(service.port)
    assert.deepEqual(await client.getProduct(1), noProduct)
    assert.match(await service.refusals(), /reason="connections",scope="client",\S* 1$/m)
    assert.deepEqual(service.limits.connections.counts().get('grpc'), { client: 3, trusted: 0, refused: 0 })
    for (const socket of sockets) socket.destroy()
    await service.untilUsed(1)
    const again = service.open('127.0.0.9')
    await service.untilUsed(2)
    again.destroy()
  })

  it('have no share if they are of a trusted peer', async () => {
    await using service = await start({ maxConnectionsPerClient: 1 }, { trustProxy: '127.0.0.9' })
    const sockets = Array.from({ length: 3 }, () => service.open('127.0.0.9'))
    await service.untilUsed(3)
    for (const socket of sockets) socket.destroy()
  })

  it('count together with those of the HTTP server', async () => {
    await using server = await startServer({ limits: { maxConnections: 2 } })
    const port = await server.listen(0, '127.0.0.1')
    const { limits } = server
    await using service = await startService(async () => noProduct, { limits })
    const sockets = [await openTo(port, '127.0.0.1')(), await openTo(port, '127.0.0.1')()]
    await eventually(5_000, async () => assert.equal(limits.connections.used(), 2))
    await untilClosed(
      connect(service.port, '127.0.0.1')
        .on('error', () => {})
        .resume(),
    )
    assert.deepEqual(
      service.lines.map(({ level, msg }) => [level, msg]),
      [[40, 'connections are refused']],
    )
    for (const socket of sockets) socket.destroy()
  })

  it('count until they close, however that happens', async () => {
    await using service = await start({}, { connectionTimes: { ...times, checkMs: 10 } })
    const ways: readonly ((socket: Socket) => unknown)[] = [
      (socket) => socket.destroy(),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.end(),
      (socket) => socket.end(preface),
      (socket) => socket.write('GET / HTTP/1.1\r\nHost: shop\r\n\r\n'),
      (socket) => socket.write('\x16\x03\x01\x02\x00\x01 TLS and so on, longer than a preface'),
      (socket) => socket.write(Buffer.concat([preface, Buffer.alloc(64, 0xff)])),
      (socket) => socket.end(Buffer.concat([preface, settings])),
    ]
    const sockets = ways.map((way) => {
      const socket = service.open('127.0.0.9', '')
      way(socket)
      return socket
    })
    // The first closes before it is connected.
    await eventually(5_000, async () => assert.ok(service.opened() >= ways.length - 1))
    await service.untilUsed(0)
    for (const socket of sockets) socket.destroy()
    assert.equal(service.limits.connections.usedBy('127.0.0.9'), 0)
  })

  it('are cut off if they send nothing, or a part of the preface', async () => {
    await using service = await start({}, { connectionTimes: { ...times, checkMs: 10 } })
    const silent = ['', preface.subarray(0, 23)].map((bytes) => service.open('127.0.0.9', bytes))
    const open = service.open('127.0.0.8', Buffer.concat([preface, settings]))
    await eventually(5_000, async () => assert.equal(service.opened(), 3))
    await service.untilUsed(1)
    assert.equal(service.limits.connections.usedBy('127.0.0.8'), 1)
    for (const socket of [...silent, open]) socket.destroy()
  })

  it('are closed if they are idle, and cut off if the client does not close them then', async () => {
    await using service = await start({}, { connectionTimes: { ...times, maxIdleMs: 50, checkMs: 10 } })
    const socket = service.open('127.0.0.9', Buffer.concat([preface, settings]))
    await untilClosed(socket)
    await service.untilUsed(0)
    assert.equal(socket.writableEnded, false)
    socket.destroy()
  })

  it('are replaced when they are old, without a failed call', async () => {
    await using service = await start({}, { connectionTimes: { ...times, maxAgeMs: 100 } })
    // As the basket service does, whose reads are repeated.
    using client = openClient(service.port, '127.0.0.1', [ProductServiceService.getProduct.path])
    let calls = 0
    const deadline = performance.now() + 20_000
    const call = async () => {
      while (service.opened() < 10 && performance.now() < deadline) {
        assert.deepEqual(await client.getProduct(1), noProduct)
        calls += 1
      }
    }
    await Promise.all(Array.from({ length: 8 }, call))
    assert.ok(service.opened() >= 10 && calls > 20)
  })

  it('finish their calls when the server stops listening and closes', async () => {
    const called = Promise.withResolvers<void>()
    const response = Promise.withResolvers<typeof noProduct>()
    const service = await startService(() => {
      called.resolve()
      return response.promise
    })
    using client = openClient(service.port)
    const call = client.getProduct(1)
    await called.promise
    service.stopListening()
    await assert.rejects(once(connect(service.port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
    let hasClosed = false
    const closed = service.close().then(() => (hasClosed = true))
    await delay(50)
    assert.equal(hasClosed, false)
    response.resolve(noProduct)
    assert.deepEqual(await call, noProduct)
    await closed
  })
})
