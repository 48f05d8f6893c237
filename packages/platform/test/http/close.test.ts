import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'

/** Starts a server whose responses wait for `release()`. */
const startBlockedServer = async () => {
  const response = Promise.withResolvers<object>()
  const server = await startServer({
    routes: async (app) => void app.get('/held', () => response.promise),
  })
  const address = await server.app.listen({ host: '127.0.0.1', port: 0 })
  return { ...server, url: `${address}/held`, release: () => response.resolve({ done: true }) }
}

type BlockedServer = Awaited<ReturnType<typeof startBlockedServer>>

/** Sends the first half of a request over a new connection, and waits until the server has received it. */
const sendHalfRequest = async ({ app, url }: BlockedServer) => {
  const accepted = once(app.server, 'connection')
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const [connection]: Socket[] = await accepted
  socket.write('GET /held HTTP/1.1\r\nHost: ')
  await eventually(20_000, async () => assert.ok(connection?.bytesRead))
  return socket
}

/** Opens a keep-alive connection. Each `send()` sends a request over it, and resolves with the response. */
const openConnection = async (url: string) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  const send = async () => {
    socket.write('GET /held HTTP/1.1\r\nHost: shop\r\n\r\n')
    const [response]: Buffer[] = await once(socket, 'data')
    return String(response)
  }
  return { socket, send }
}

describe('a draining server', () => {
  it('is not ready, keeps serving, and closes each connection after its next response', async () => {
    await using server = await startBlockedServer()
    server.release()
    const busy = await openConnection(server.url)
    const idle = await openConnection(server.url)
    for (const { send } of [busy, idle]) assert.match(await send(), /^HTTP\/1\.1 200 OK\r\n[^]*keep-alive/i)

    server.health.stop()
    assert.equal((await fetch(new URL('/health/ready', server.url))).status, 503)
    assert.equal((await fetch(server.url)).status, 200)
    const closed = once(busy.socket, 'close')
    assert.match(await busy.send(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\nconnection: close\r\n/i)
    await closed
    // No response on this connection has had `Connection: close` yet, so its client may be sending a request.
    assert.equal(idle.socket.readyState, 'open')
    assert.match(await idle.send(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\nconnection: close\r\n/i)
  })
})

describe('a closing server', () => {
  it('finishes running requests, accepts no new ones, and does not wait for idle connections', async () => {
    await using server = await startBlockedServer()
    // This connection stays open and idle, which must not delay the close.
    await (await fetch(new URL('/nothing', server.url))).text()
    const pending = fetch(server.url)
    while ((await server.activeRequests()) === 0) await delay(5)

    const closed = server.app.close()
    await eventually(20_000, () => assert.rejects(fetch(server.url, { signal: AbortSignal.timeout(1_000) })))
    server.release()
    const response = await pending
    assert.equal(response.headers.get('connection'), 'close')
    assert.deepEqual(await response.json(), { done: true })
    await closed
  })

  it('answers a request that was only partly received when the close began', async () => {
    await using server = await startBlockedServer()
    server.release()
    const socket = await sendHalfRequest(server)
    const closed = server.app.close()
    socket.write('shop\r\n\r\n')
    const [response]: Buffer[] = await once(socket, 'data')
    assert.match(String(response), /^HTTP\/1\.1 200 OK\r\n[^]*\{"done":true\}$/)
    await closed
  })

  it('cuts off an incomplete request after eight seconds', async ({ mock }) => {
    await using server = await startBlockedServer()
    const socket = await sendHalfRequest(server)
    mock.timers.enable({ apis: ['setTimeout'] })
    const closed = server.app.close()
    await delay(20)
    mock.timers.tick(7_999)
    await delay(20)
    assert.equal(socket.destroyed, false)
    mock.timers.tick(1)
    await closed
    await once(socket, 'close')
  })
})
