import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'

/** A server whose answer comes when it is told to. */
const startHeld = async () => {
  const answer = Promise.withResolvers<object>()
  const server = await startServer({
    routes: async (app) => void app.get('/held', () => answer.promise),
  })
  const address = await server.app.listen({ host: '127.0.0.1', port: 0 })
  return { ...server, url: `${address}/held`, release: () => answer.resolve({ done: true }) }
}

type Held = Awaited<ReturnType<typeof startHeld>>

/** A connection over which the first half of a request has arrived. */
const halfRequest = async ({ app, url }: Held) => {
  const accepted = once(app.server, 'connection')
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const [connection]: Socket[] = await accepted
  socket.write('GET /held HTTP/1.1\r\nHost: ')
  await eventually(20_000, async () => assert.ok(connection?.bytesRead))
  return socket
}

/** A connection that is kept, and asked once more by each call: the head of the answer. */
const keptConnection = async (url: string) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  const ask = async () => {
    socket.write('GET /held HTTP/1.1\r\nHost: shop\r\n\r\n')
    const [answer]: Buffer[] = await once(socket, 'data')
    return String(answer)
  }
  return { socket, ask }
}

describe('a server that will close soon', () => {
  it('is not ready, serves on, and asks who has a connection to come back over another', async () => {
    await using server = await startHeld()
    server.release()
    const busy = await keptConnection(server.url)
    const idle = await keptConnection(server.url)
    for (const { ask } of [busy, idle]) assert.match(await ask(), /^HTTP\/1\.1 200 OK\r\n[^]*keep-alive/i)

    server.health.stop()
    assert.equal((await fetch(new URL('/health/ready', server.url))).status, 503)
    assert.equal((await fetch(server.url)).status, 200)
    const left = once(busy.socket, 'close')
    assert.match(await busy.ask(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\nconnection: close\r\n/i)
    await left
    // It was not told, so it may have a request on its way.
    assert.equal(idle.socket.readyState, 'open')
    assert.match(await idle.ask(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\nconnection: close\r\n/i)
  })
})

describe('a server that closes', () => {
  it('finishes the request that it has begun, takes no other, and does not wait for kept connections', async () => {
    await using server = await startHeld()
    // Kept alive, and idle: it must not hold the server open.
    await (await fetch(new URL('/nothing', server.url))).text()
    const answer = fetch(server.url)
    while ((await server.activeRequests()) === 0) await delay(5)

    const closed = server.app.close()
    await eventually(20_000, () => assert.rejects(fetch(server.url, { signal: AbortSignal.timeout(1_000) })))
    server.release()
    const response = await answer
    assert.equal(response.headers.get('connection'), 'close')
    assert.deepEqual(await response.json(), { done: true })
    await closed
  })

  it('answers also the request that was still on its way when it began to close', async () => {
    await using server = await startHeld()
    server.release()
    const socket = await halfRequest(server)
    const closed = server.app.close()
    socket.write('shop\r\n\r\n')
    const [answer]: Buffer[] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1\.1 200 OK\r\n[^]*\{"done":true\}$/)
    await closed
  })

  it('cuts off after eight seconds who has not even sent the whole request', async ({ mock }) => {
    await using server = await startHeld()
    const socket = await halfRequest(server)
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
