import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import type { Context } from '@shop/kernel/context.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { contextOf } from '../../src/http/context.ts'
import { startServer } from '../support/http-server.ts'

type Signals = Record<string, AbortSignal | undefined>

/** Starts a server whose responses wait for `release()`; `signals` has the signals of requests by path. */
const startBlockedServer = async () => {
  const signals: Signals = {}
  const { promise, resolve } = Promise.withResolvers<void>()
  const server = await startServer({
    routes: async (app) => {
      for (const [path, config] of [
        ['/single', {}],
        ['/list', { stopsAtEndOfInput: true }],
      ] as const)
        app.get(path, { config }, (request) => {
          signals[path] = contextOf(request).signal
          return promise.then(() => ({ path }))
        })
    },
  })
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.app.server.address() as AddressInfo
  return { ...server, signals, release: resolve, port }
}

type BlockedServer = Awaited<ReturnType<typeof startBlockedServer>>

const send = (socket: Socket, ...paths: readonly string[]) =>
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`).join(''))

const open = async ({ port }: BlockedServer) => {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

const untilReceived = ({ signals }: BlockedServer, path: string) =>
  eventually(20_000, async () => assert.ok(signals[path]))

const untilAborted = ({ signals }: BlockedServer, path: string) =>
  eventually(20_000, async () => assert.equal(signals[path]?.aborted, true))

const statuses = ({ lines }: BlockedServer) =>
  lines.filter(({ msg }) => msg === 'request').map(({ route, status }) => [route, status])

describe('the signal of a request', () => {
  it('aborts when the connection breaks, and the request is logged as 499', async () => {
    await using server = await startBlockedServer()
    const socket = await open(server)
    send(socket, '/single')
    await untilReceived(server, '/single')
    assert.equal(server.signals['/single']?.aborted, false)
    socket.resetAndDestroy()
    await untilAborted(server, '/single')
    server.release()
    await eventually(20_000, async () => assert.deepEqual(statuses(server), [['/single', 499]]))
    assert.deepEqual(
      server.lines.filter(({ level }) => level === 50),
      [],
    )
  })

  it('has aborted if it is first asked for after the connection broke', async () => {
    const { promise: context, resolve } = Promise.withResolvers<Context>()
    const { promise: late, reject } = Promise.withResolvers<never>()
    await using server = await startServer({
      routes: async (app) => {
        app.get('/late', (request) => {
          resolve(contextOf(request))
          return late
        })
      },
    })
    await server.app.listen({ host: '127.0.0.1', port: 0 })
    const socket = connect((server.app.server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    send(socket, '/late')
    const received = await context
    socket.resetAndDestroy()
    await eventually(20_000, async () =>
      assert.equal(
        await new Promise((count) =>
          server.app.server.getConnections((_, connections) => count(connections)),
        ),
        0,
      ),
    )
    assert.equal(received.signal?.aborted, true)
    reject(new Error('nobody waits'))
  })

  it('aborts at the end of the input on routes that request it, but not on others', async () => {
    await using server = await startBlockedServer()
    const [list, single] = [await open(server), await open(server)]
    send(list, '/list')
    send(single, '/single')
    await untilReceived(server, '/list')
    await untilReceived(server, '/single')
    list.end()
    single.end()
    await untilAborted(server, '/list')
    assert.equal(server.signals['/single']?.aborted, false)

    let response = ''
    single.on('data', (bytes) => (response += String(bytes)))
    server.release()
    await once(single, 'close')
    assert.match(response, /^HTTP\/1\.1 200 OK\r\n.*\{"path":"\/single"\}$/s)
  })

  it('is separate for each of several requests on one connection', async () => {
    await using server = await startBlockedServer()
    const socket = await open(server)
    send(socket, '/list', '/single')
    await untilReceived(server, '/list')
    await untilReceived(server, '/single')
    socket.end()
    await untilAborted(server, '/list')
    assert.equal(server.signals['/single']?.aborted, false)
    socket.destroy()
    server.release()
  })

  it('does not abort when the connection closes after the response', async () => {
    await using server = await startBlockedServer()
    server.release()
    const socket = await open(server)
    send(socket, '/single')
    await once(socket, 'data')
    socket.destroy()
    await eventually(20_000, async () =>
      assert.equal(
        await new Promise((resolve) => server.app.server.getConnections((_, count) => resolve(count))),
        0,
      ),
    )
    assert.equal(server.signals['/single']?.aborted, false)
    assert.deepEqual(statuses(server), [['/single', 200]])
  })

  it('uses one listener per connection, regardless of the number of requests', async () => {
    await using server = await startBlockedServer()
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    const socket = await open(server)
    send(socket, ...Array.from({ length: 50 }, () => '/single'))
    await untilReceived(server, '/single')
    server.release()
    await eventually(20_000, async () => assert.equal(statuses(server).length, 50))
    process.off('warning', listen)
    assert.deepEqual(warnings, [])
    socket.destroy()
  })
})
