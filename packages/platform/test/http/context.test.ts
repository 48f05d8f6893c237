import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { contextOf } from '../../src/http/context.ts'
import { startServer } from '../support/http-server.ts'

type Signals = Record<string, AbortSignal | undefined>

/** A server whose answers wait until they are told to come. */
const startWaiting = async () => {
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
  return { ...server, signals, answer: resolve, port }
}

type Waiting = Awaited<ReturnType<typeof startWaiting>>

const ask = (socket: Socket, ...paths: readonly string[]) =>
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`).join(''))

const open = async ({ port }: Waiting) => {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

const untilAsked = ({ signals }: Waiting, path: string) =>
  eventually(20_000, async () => assert.ok(signals[path]))

const untilAborted = ({ signals }: Waiting, path: string) =>
  eventually(20_000, async () => assert.equal(signals[path]?.aborted, true))

const statuses = ({ lines }: Waiting) =>
  lines.filter(({ msg }) => msg === 'request').map(({ route, status }) => [route, status])

describe('the signal of a request', () => {
  it('aborts when its connection is gone, and what is answered then is logged as 499', async () => {
    await using server = await startWaiting()
    const socket = await open(server)
    ask(socket, '/single')
    await untilAsked(server, '/single')
    assert.equal(server.signals['/single']?.aborted, false)
    socket.resetAndDestroy()
    await untilAborted(server, '/single')
    server.answer()
    await eventually(20_000, async () => assert.deepEqual(statuses(server), [['/single', 499]]))
    assert.deepEqual(
      server.lines.filter(({ level }) => level === 50),
      [],
    )
  })

  it('aborts at the end of the input where the route says so, and not elsewhere', async () => {
    await using server = await startWaiting()
    const [list, single] = [await open(server), await open(server)]
    ask(list, '/list')
    ask(single, '/single')
    await untilAsked(server, '/list')
    await untilAsked(server, '/single')
    list.end()
    single.end()
    await untilAborted(server, '/list')
    assert.equal(server.signals['/single']?.aborted, false)

    let answer = ''
    single.on('data', (bytes) => (answer += String(bytes)))
    server.answer()
    await once(single, 'close')
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*\{"path":"\/single"\}$/s)
  })

  it('is that of each of several requests on one connection', async () => {
    await using server = await startWaiting()
    const socket = await open(server)
    ask(socket, '/list', '/single')
    await untilAsked(server, '/list')
    await untilAsked(server, '/single')
    socket.end()
    await untilAborted(server, '/list')
    assert.equal(server.signals['/single']?.aborted, false)
    socket.destroy()
    server.answer()
  })

  it('does not abort once its request is answered, when the connection goes on to its end', async () => {
    await using server = await startWaiting()
    server.answer()
    const socket = await open(server)
    ask(socket, '/single')
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

  it('needs one listener for a connection, however many requests it has', async () => {
    await using server = await startWaiting()
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    const socket = await open(server)
    ask(socket, ...Array.from({ length: 50 }, () => '/single'))
    await untilAsked(server, '/single')
    server.answer()
    await eventually(20_000, async () => assert.equal(statuses(server).length, 50))
    process.off('warning', listen)
    assert.deepEqual(warnings, [])
    socket.destroy()
  })
})
